import { OssbError, StepFailedError } from './errors.ts'

/** Something that failed, and its name where the others have one, too. */
export interface Failure {
  readonly name?: string
  readonly error: unknown
}

/**
 * One error for all that failed: the error itself where all say the same, else one with code, exit status, place and hint
 * of the first, all messages, and an AggregateError as its cause.
 * @param action what could not be done: "build for 2 platforms"
 */
export function joinErrors(action: string, failures: readonly [Failure, ...Failure[]]): unknown {
  const [{ error: first }] = failures
  const messages = new Set(failures.map(({ error }) => messageOf(error)))
  if (messages.size === 1) return first
  const lines = new Set(
    failures.map(({ name, error }) => `- ${name === undefined ? '' : `${name}: `}${messageOf(error)}`),
  )
  const text = `Cannot ${action}: ${lines.size} failures:\n${[...lines].join('\n')}`
  const cause = new AggregateError(failures.map(({ error }) => error))
  if (!(first instanceof OssbError)) return new OssbError('ERR_OSSB_OUTPUT', text, { cause })
  const options = {
    cause,
    ...(first.hint === undefined ? {} : { hint: first.hint }),
    ...(first.source === undefined ? {} : { source: first.source }),
  }
  return first instanceof StepFailedError
    ? new StepFailedError(text, first.exitCode, options)
    : new OssbError(first.code, text, options)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
