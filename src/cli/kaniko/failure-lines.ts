import { OssbError, StepFailedError } from '../../index.ts'

/** `error building image: …` or `error pushing image: …`, and what to do about it. */
export function failureLines(error: unknown): readonly string[] {
  if (error instanceof AggregateError) return (error.errors as readonly unknown[]).flatMap(failureLines)
  if (!(error instanceof OssbError))
    return [
      `error building image: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    ]
  const { message, hint, source } = error
  const what = /^Cannot push\b/.test(message) ? 'error pushing image' : 'error building image'
  const place = source === undefined ? '' : ` (${source.file}:${source.startLine})`
  const status =
    error instanceof StepFailedError
      ? `failed to execute command: waiting for process to exit: exit status ${error.exitCode}: `
      : ''
  return [`${what}: ${status}${message}${place}`, ...(hint === undefined ? [] : [`hint: ${hint}`])]
}
