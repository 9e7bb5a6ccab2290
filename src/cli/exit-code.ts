import { OssbError, StepFailedError } from '../index.ts'

/** What an exit status means; the text of `--help` and the README come from here. */
export const EXIT_STATUSES: readonly (readonly [status: string, meaning: string])[] = [
  ['0', 'everything was done'],
  ['1', 'the build or command failed; the message on standard error says why'],
  ['2', 'the command line was wrong; nothing was started'],
  ['N', 'a RUN ended with status N, and so does the builder'],
  ['129, 130, 143', 'ended by SIGHUP, SIGINT (Ctrl-C), SIGTERM'],
  ['141', 'the reader of the output went away'],
]

/** The exit status for what a command threw. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof StepFailedError) {
    return error.exitCode > 0 && error.exitCode < 256 ? error.exitCode : 1
  }
  return error instanceof OssbError && error.code === 'ERR_OSSB_USAGE' ? 2 : 1
}
