/*
 * Go's notations, which image histories and error texts of Dockerfile builders are written in.
 */

const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  '\u0007': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
  '"': '\\"',
}

const PRINTABLE = /^[ \p{L}\p{M}\p{N}\p{P}\p{S}]$/u

function quoteCharacter(character: string): string {
  const short = SHORT_ESCAPES[character]
  if (short !== undefined) return short
  if (PRINTABLE.test(character)) return character
  const code = character.codePointAt(0) ?? 0
  if (code < 0x80) return `\\x${code.toString(16).padStart(2, '0')}`
  return code < 0x10000
    ? `\\u${code.toString(16).padStart(4, '0')}`
    : `\\U${code.toString(16).padStart(8, '0')}`
}

/** A string as Go's verb %q prints it. */
export function goQuote(text: string): string {
  return `"${Array.from(text, quoteCharacter).join('')}"`
}

/** A list as Go's verb %q prints it: `["a" "b"]`. */
export function goQuoteList(items: readonly string[]): string {
  return `[${items.map(goQuote).join(' ')}]`
}

/** A list as Go's verb %v prints it: `[a b]`. */
export function goList(items: readonly string[]): string {
  return `[${items.join(' ')}]`
}

const NANOSECONDS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
}

const DURATION_PART = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/y

/** Reads a duration as Go's time.ParseDuration does ("1m30s", "1.5h", "-2ms", "0"): nanoseconds, or undefined. */
export function parseGoDuration(text: string): number | undefined {
  const negative = text.startsWith('-')
  const body = /^[+-]/.test(text) ? text.slice(1) : text
  if (body === '0') return 0
  if (body === '') return undefined
  let total = 0
  DURATION_PART.lastIndex = 0
  while (DURATION_PART.lastIndex < body.length) {
    const part = DURATION_PART.exec(body)
    if (part === null) return undefined
    total += Number(part[1]) * (NANOSECONDS[part[2] ?? ''] ?? Number.NaN)
  }
  if (!Number.isFinite(total) || total > 2 ** 63) return undefined
  return negative ? -Math.round(total) : Math.round(total)
}

/** Prints nanoseconds as Go's Duration.String does: `1m30s`, `1.5s`, `500ms`, `0s`. */
export function formatGoDuration(nanoseconds: number): string {
  if (nanoseconds === 0) return '0s'
  const sign = nanoseconds < 0 ? '-' : ''
  const size = Math.abs(nanoseconds)
  if (size < 1e3) return `${sign}${size}ns`
  if (size < 1e6) return `${sign}${size / 1e3}µs`
  if (size < 1e9) return `${sign}${size / 1e6}ms`
  const hours = Math.floor(size / 3600e9)
  const minutes = Math.floor((size % 3600e9) / 60e9)
  const seconds = `${(size % 60e9) / 1e9}s`
  if (hours > 0) return `${sign}${hours}h${minutes}m${seconds}`
  return minutes > 0 ? `${sign}${minutes}m${seconds}` : `${sign}${seconds}`
}
