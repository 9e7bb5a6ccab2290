import { constants } from 'node:os'

export interface ExitStatus {
  /** The status, or 128 + the number of the signal. */
  readonly exitCode: number
  /** The name of the signal that ended the process. */
  readonly signal?: string
}

export function exitStatus(code: number | null, signal: NodeJS.Signals | null): ExitStatus {
  return signal === null ? { exitCode: code ?? 1 } : { exitCode: 128 + constants.signals[signal], signal }
}

/** The name of a signal number; `SIG` and the number for those that have none. */
export function signalName(number: number): string {
  const found = Object.entries(constants.signals).find(([, value]) => value === number)
  return found?.[0] ?? `SIG${number}`
}
