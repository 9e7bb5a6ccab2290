import type { Host } from '../host.ts'

const LEVELS = ['panic', 'fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const
export type LogLevel = (typeof LEVELS)[number]

const FORMATS = ['text', 'color', 'json'] as const
type LogFormat = (typeof FORMATS)[number]

export interface LogSettings {
  readonly level: LogLevel
  readonly format: LogFormat
  /** The time of day in each line, and not the seconds since the start. */
  readonly timestamps: boolean
}

export const DEFAULT_LOG: LogSettings = { level: 'info', format: 'color', timestamps: false }

/** A line of the log on standard error, in the form that kaniko's have. */
export type Log = (level: LogLevel, message: string) => void

/** Undefined where there is no such level. */
export function parseLevel(text: string): LogLevel | undefined {
  const word = text.toLowerCase()
  return word === 'warning' ? 'warn' : LEVELS.find((level) => level === word)
}

export function parseFormat(text: string): LogFormat | undefined {
  return FORMATS.find((format) => format === text)
}

export function createLog(settings: LogSettings, host: Pick<Host, 'stderr' | 'now'>): Log {
  const start = host.now()
  return (level, message) => {
    if (LEVELS.indexOf(level) > LEVELS.indexOf(settings.level)) return
    host.stderr.write(`${lineOf({ level, message, now: host.now(), start }, settings)}\n`)
  }
}

interface Entry {
  readonly level: LogLevel
  readonly message: string
  /** Milliseconds since the epoch. */
  readonly now: number
  readonly start: number
}

const COLORS: Readonly<Record<LogLevel, number>> = {
  panic: 31,
  fatal: 31,
  error: 31,
  warn: 33,
  info: 36,
  debug: 37,
  trace: 37,
}

/** As logrus writes it: `INFO[0003] message`, `time=… level=info msg=…`, or a JSON object. */
function lineOf({ level, message, now, start }: Entry, { format, timestamps }: LogSettings): string {
  const time = new Date(now).toISOString().replace(/\.\d+Z$/, 'Z')
  const name = level === 'warn' ? 'warning' : level
  if (format === 'json') return JSON.stringify({ level: name, msg: message, time })
  if (format === 'text') return `time="${time}" level=${name} msg=${quoted(message)}`
  const seconds = String(Math.floor((now - start) / 1000)).padStart(4, '0')
  const stamp = timestamps ? time : seconds
  return `\u001b[${COLORS[level]}m${level.toUpperCase().slice(0, 4)}\u001b[0m[${stamp}] ${message.padEnd(44)} `
}

function quoted(message: string): string {
  return /^[A-Za-z0-9._/@^+-]+$/.test(message) ? message : JSON.stringify(message)
}
