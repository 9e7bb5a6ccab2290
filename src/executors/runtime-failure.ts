import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { errnoOf, OssbError } from '../core/index.ts'

/** What a runtime wrote to its log as an error, or undefined where it only passed on how the process ended. */
export function runtimeError(logFile: string): string | undefined {
  return errorInLog(readIfPresent(logFile))
}

/** The last error of a log of one JSON object a line, as crun and runc write it. */
export function errorInLog(log: string): string | undefined {
  return log
    .split('\n')
    .flatMap((line) => {
      const { level, msg } = parseLine(line)
      return (level === 'error' || level === 'fatal') && typeof msg === 'string' ? [msg] : []
    })
    .at(-1)
}

/**
 * The status of a process whose program could not be started, as a shell gives it: 127 where it is not there, 126 where
 * it can't be executed; undefined where the runtime failed before it came to that.
 */
export function statusOfUnstarted(message: string): number | undefined {
  if (!/executable file|open executable|exec container process|\bexec: "/.test(message)) return undefined
  return /not found|no such file/i.test(message) ? 127 : 126
}

/** The runtime itself could not do its work. */
export function runtimeFailure(runtime: string, message: string): OssbError {
  if (/rlimit/i.test(message))
    return new OssbError('ERR_OSSB_EXECUTOR', `Cannot set the limits of a RUN: ${message}`, {
      hint: 'A build may not raise a limit above the hard limit that it runs under itself: give --ulimit a smaller value.',
    })
  const hybrid = /cgroup/i.test(message)
    ? ' It may not cope with how cgroups are mounted on this machine.'
    : ''
  return new OssbError('ERR_OSSB_EXECUTOR', `Cannot run a process by ${basename(runtime)}: ${message}`, {
    hint: `"${runtime}" failed before the process started.${hybrid} Build without "--executor container" to do without it.`,
  })
}

function parseLine(line: string): { readonly level?: unknown; readonly msg?: unknown } {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    return {}
  }
}

function readIfPresent(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return ''
    throw error
  }
}
