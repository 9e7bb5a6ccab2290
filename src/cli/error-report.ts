import { OssbError } from '../index.ts'
import { codeFrame } from './code-frame.ts'
import { failedStep, type ProgressState, type Step } from './progress/reducer.ts'
import { logTime } from './progress/wording.ts'

const RULE = '------'

/** What is told about a failure, from the particular to the point: output of the step, lines of the Dockerfile, error, hint. */
export interface Failure {
  readonly error: unknown
  readonly state?: ProgressState
  /** The text of the file that the error names. */
  readonly sourceText?: string
}

export function errorReport({ error, state, sourceText }: Failure): readonly string[] {
  const step = state === undefined ? undefined : failedStep(state)
  return [
    ...(step === undefined ? [] : stepReport(step)),
    ...(error instanceof OssbError && error.source !== undefined ? codeFrame(error.source, sourceText) : []),
    ...errorLines(error),
  ]
}

function stepReport(step: Step): readonly string[] {
  if (step.log.length === 0) return []
  return [
    RULE,
    ` > ${step.name}:`,
    ...step.log.map(({ time, text }) => `${logTime(time - step.startedAt)} ${text}`),
    RULE,
  ]
}

/** `ERROR: …` and `hint: …`. An error that nobody meant to throw shows where it came from. */
export function errorLines(error: unknown): readonly string[] {
  if (error instanceof AggregateError && error.errors.length > 0) {
    const [first, ...others] = error.errors as readonly unknown[]
    return [...errorLines(first), ...(others.length === 0 ? [] : [`(and ${others.length} more like it)`])]
  }
  if (error instanceof OssbError) {
    return [`ERROR: ${error.message}`, ...(error.hint === undefined ? [] : [`hint: ${error.hint}`])]
  }
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return [
    `ERROR: ${detail}`,
    'hint: This is a mistake in ossb itself; please report it with the lines above.',
  ]
}
