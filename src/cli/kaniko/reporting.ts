import { errorLines } from '../error-report.ts'
import { exitCodeOf } from '../exit-code.ts'
import type { Host } from '../host.ts'
import { CommandError, FatalError } from './command-error.ts'
import { failureLines } from './failure-lines.ts'
import type { FlagValues } from './flag.ts'
import { createLog, DEFAULT_LOG, type LogSettings, parseFormat, parseLevel } from './log.ts'
import type { LogFlag } from './registry-flags.ts'
import { type KanikoCommand, usageText } from './usage.ts'

/** @throws CommandError */
export function logSettings(values: FlagValues<LogFlag>): LogSettings {
  const level = parseLevel(values.text('verbosity'))
  if (level === undefined)
    throw new CommandError(
      `parsing log level: not a valid logrus Level: ${JSON.stringify(values.text('verbosity'))}`,
    )
  const format = parseFormat(values.text('log-format'))
  if (format === undefined)
    throw new CommandError(
      `not a valid log format: ${JSON.stringify(values.text('log-format'))}. Please specify one of (text, color, json)`,
    )
  return { level, format, timestamps: values.on('log-timestamp') }
}

/** Shows what a command throws as kaniko's programs show it. Answers the exit status. */
export async function reporting(
  command: KanikoCommand,
  host: Host,
  run: () => Promise<number>,
): Promise<number> {
  try {
    return await run()
  } catch (error) {
    const interrupted = host.interruption.exitCode()
    if (interrupted !== undefined) {
      for (const line of errorLines(host.interruption.signal.reason)) host.stderr.write(`${line}\n`)
      return interrupted
    }
    if (error instanceof FatalError) createLog(DEFAULT_LOG, host)('fatal', error.message)
    else if (error instanceof CommandError)
      host.stderr.write(`Error: ${error.message}\n${usageText(command)}\n${error.message}\n`)
    else for (const line of failureLines(error)) host.stderr.write(`${line}\n`)
    return Math.min(1, exitCodeOf(error))
  }
}
