/**
 * Values as the flag library of Go reads and refuses them: scripts look for its texts. Undefined is a value that it
 * would not take; see `refusal`.
 */
import type { FlagKind } from './flag.ts'

const TRUE: readonly string[] = ['1', 't', 'T', 'TRUE', 'true', 'True']
const FALSE: readonly string[] = ['0', 'f', 'F', 'FALSE', 'false', 'False']

export function parseBool(text: string): boolean | undefined {
  if (TRUE.includes(text)) return true
  return FALSE.includes(text) ? false : undefined
}

/** Decimal, octal (`0o17`, `017`) or hexadecimal. */
export function parseInteger(text: string): number | undefined {
  const match = /^([+-]?)(0x[0-9a-f]+|0b[01]+|0o?[0-7]*|[1-9]\d*)$/i.exec(text)
  if (match === null) return undefined
  const [, sign, digits = ''] = match
  const value = Number(/^0\d/.test(digits) ? `0o${digits.slice(1)}` : digits)
  return sign === '-' ? -value : value
}

const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}

/** `336h`, `1h30m`, `1.5s`, in milliseconds; a number needs a unit, and there is none for days. */
export function parseDuration(text: string): number | undefined {
  if (/^[+-]?0$/.test(text)) return 0
  const match = /^([+-]?)((?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)$/.exec(text)
  if (match === null) return undefined
  const parts = match[2]?.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g) ?? []
  const total = Array.from(parts).reduce(
    (sum, [, amount, unit = '']) => sum + Number(amount) * (UNITS[unit] ?? 0),
    0,
  )
  return match[1] === '-' ? -total : total
}

/** Why Go does not take a value for a flag of a kind. */
export function refusal(kind: FlagKind, text: string): string {
  if (kind === 'bool') return `strconv.ParseBool: parsing ${quoted(text)}: invalid syntax`
  if (kind === 'int') return `strconv.ParseInt: parsing ${quoted(text)}: invalid syntax`
  if (/^[+-]?\d+(?:\.\d*)?$/.test(text)) return `time: missing unit in duration ${quoted(text)}`
  const unit = /^[+-]?(?:\d+(?:\.\d*)?(?:ns|us|µs|μs|ms|s|m|h))*\d+(?:\.\d*)?([^\d.]+)/.exec(text)?.[1]
  return unit === undefined
    ? `time: invalid duration ${quoted(text)}`
    : `time: unknown unit ${quoted(unit)} in duration ${quoted(text)}`
}

function quoted(text: string): string {
  return JSON.stringify(text)
}
