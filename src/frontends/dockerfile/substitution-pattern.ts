import { dockerfileError } from './dockerfile-error.ts'
import { checkLength } from './word-sink.ts'

/** Any one character, `?`. */
const ANY = Symbol('any')

type Token = string | typeof ANY

/** The stretches between the stars of a pattern: `a*b?` is [a], [b, any]. There is always one stretch at least. */
type Pattern = readonly (readonly Token[])[]

/** Pattern times value may not be longer than this: matching is bounded by their product. */
const MAX_WORK = 2 ** 26

/**
 * Reads the pattern of `${name#pattern}` and `${name/pattern/…}`: `*`, `?`, and a backslash before one of
 * `*`, `?`, `\`, `/` and `}`; all else stands for itself.
 */
function parsePattern(text: string): Pattern {
  const segments: Token[][] = [[]]
  const characters = Array.from(text)
  for (let i = 0; i < characters.length; i += 1) {
    const character = characters[i] ?? ''
    if (character === '*') segments.push([])
    else if (character === '?') segments.at(-1)?.push(ANY)
    else if (character === '\\') {
      i += 1
      segments.at(-1)?.push(escaped(text, characters[i]))
    } else segments.at(-1)?.push(character)
  }
  return segments
}

function escaped(pattern: string, character: string | undefined): string {
  if (character !== undefined && '*?\\/}'.includes(character)) return character
  throw dockerfileError(`invalid pattern (${pattern}) in substitution: invalid escape '\\${character ?? ''}'`)
}

/** What `*` and `?` stand for is within one line, as in Go's regular expressions. */
const NEWLINE = '\n'

function matchesAt(segment: readonly Token[], value: readonly string[], at: number): boolean {
  return (
    at + segment.length <= value.length &&
    segment.every((token, offset) => {
      const character = value[at + offset]
      return token === ANY ? character !== NEWLINE : token === character
    })
  )
}

/** Where a stretch lies first, between `from` and `to`, which is the last place where it may begin. */
function firstMatch(
  segment: readonly Token[],
  value: readonly string[],
  { from, to }: { readonly from: number; readonly to: number },
): number | undefined {
  const last = Math.min(to, value.length - segment.length)
  for (let at = from; at <= last; at += 1) if (matchesAt(segment, value, at)) return at
  return undefined
}

function lastMatch(
  segment: readonly Token[],
  value: readonly string[],
  { from, to }: { readonly from: number; readonly to: number },
): number | undefined {
  for (let at = Math.min(to, value.length - segment.length); at >= from; at -= 1)
    if (matchesAt(segment, value, at)) return at
  return undefined
}

/** Where the line that a place is in ends. */
function endOfLine(value: readonly string[], from: number): number {
  const end = value.indexOf(NEWLINE, from)
  return end === -1 ? value.length : end
}

/**
 * Where a match that begins at `start` ends. Taking each inner stretch as early as possible leaves the most room
 * for the last one, which alone decides between the shortest and the longest match.
 */
function matchEnd(
  pattern: Pattern,
  value: readonly string[],
  { start, longest }: { start: number; longest: boolean },
): number | undefined {
  const [first = [], ...rest] = pattern
  if (!matchesAt(first, value, start)) return undefined
  let position = start + first.length
  for (const [index, segment] of rest.entries()) {
    const search = index === rest.length - 1 && longest ? lastMatch : firstMatch
    const at = search(segment, value, { from: position, to: endOfLine(value, position) })
    if (at === undefined) return undefined
    position = at + segment.length
  }
  return position
}

interface Match {
  readonly start: number
  readonly end: number
}

/**
 * The leftmost, longest match. A stretch that is missing after one start is missing after every later one in the same
 * line, too.
 */
function find(pattern: Pattern, value: readonly string[], from: number): Match | undefined {
  const [first = []] = pattern
  for (let begin = from; begin <= value.length; ) {
    const start = firstMatch(first, value, { from: begin, to: value.length })
    if (start === undefined) return undefined
    const end = matchEnd(pattern, value, { start, longest: true })
    if (end !== undefined) return { start, end }
    begin = endOfLine(value, start) + 1
  }
  return undefined
}

function prepare(patternText: string, valueText: string): { pattern: Pattern; value: readonly string[] } {
  if (patternText.length * valueText.length > MAX_WORK)
    throw dockerfileError('the pattern and the value of the substitution are too long')
  return { pattern: parsePattern(patternText), value: Array.from(valueText) }
}

/** `${name#pattern}` and, with `longest`, `${name##pattern}`. */
export function stripPrefix(valueText: string, patternText: string, longest: boolean): string {
  const { pattern, value } = prepare(patternText, valueText)
  const end = matchEnd(pattern, value, { start: 0, longest })
  return end === undefined ? valueText : value.slice(end).join('')
}

/** `${name%pattern}` and, with `longest`, `${name%%pattern}`. */
export function stripSuffix(valueText: string, patternText: string, longest: boolean): string {
  const { pattern, value } = prepare(patternText, valueText)
  const backwards = pattern.map((segment) => [...segment].reverse()).reverse()
  const end = matchEnd(backwards, [...value].reverse(), { start: 0, longest })
  return end === undefined ? valueText : value.slice(0, value.length - end).join('')
}

/** `${name/pattern/replacement}`. */
export function replaceFirst(valueText: string, patternText: string, replacement: string): string {
  const { pattern, value } = prepare(patternText, valueText)
  const match = find(pattern, value, 0)
  if (match === undefined) return valueText
  return value.slice(0, match.start).join('') + replacement + value.slice(match.end).join('')
}

/** `${name//pattern/replacement}`: `$0`, `$1`, `${name}` and `$$` in the replacement are what they are to Go's regexp. */
export function replaceAll(valueText: string, patternText: string, replacement: string): string {
  const { pattern, value } = prepare(patternText, valueText)
  let output = ''
  let copied = 0
  let position = 0
  let previousEnd = -1
  while (position <= value.length) {
    const match = find(pattern, value, position)
    if (match === undefined) break
    // An empty match right behind another match does not count.
    if (match.end > match.start || match.start !== previousEnd) {
      output += value.slice(copied, match.start).join('')
      output += expandTemplate(replacement, value.slice(match.start, match.end).join(''))
      checkLength(output.length)
      copied = match.end
      previousEnd = match.end
    }
    position = match.end > match.start ? match.end : match.end + 1
  }
  return output + value.slice(copied).join('')
}

const TEMPLATE = /\$(?:\$|([\p{L}\p{N}_]+)|\{([\p{L}\p{N}_]+)\})/gu

function expandTemplate(template: string, matched: string): string {
  let length = 0
  return template.replace(TEMPLATE, (whole, plain: string | undefined, braced: string | undefined) => {
    if (whole === '$$') return '$'
    const value = /^0+$/.test(plain ?? braced ?? '') ? matched : ''
    length += value.length
    checkLength(length)
    return value
  })
}
