import { OssbError } from '../core/index.ts'
import { type GlobToken, isWordCharacter, SLASH } from './glob-automaton.ts'

/**
 * `match` is the grammar of Go's filepath.Match. `ignore` is that of .dockerignore, which adds `**` and, having been
 * made of Go regular expressions, gives a backslash in front of a letter the meaning that it has there.
 */
export type GlobDialect = 'match' | 'ignore'

type Accepts = (character: number) => boolean

/** @throws OssbError ERR_OSSB_CONTEXT for a class that is not closed, or a backslash with nothing behind it */
export function parseGlob(pattern: string, dialect: GlobDialect): readonly GlobToken[] {
  const reader = createReader(pattern)
  const tokens: GlobToken[] = []
  while (!reader.atEnd()) tokens.push(parseToken(reader, dialect))
  return tokens
}

/** The one way in which a pattern can be wrong, in the words of Go's path/filepath. */
export function malformedPattern(pattern: string, why = 'syntax error in pattern'): OssbError {
  return new OssbError('ERR_OSSB_CONTEXT', `Cannot use "${pattern}" as a pattern: ${why}`, {
    hint: 'A "[" needs its "]", with at least one character between them; a backslash goes in front of a character that is meant literally.',
  })
}

interface Reader {
  atEnd(): boolean
  /** Takes the next character if it is this one. */
  take(character: string): boolean
  next(): string
  fail(): never
}

function createReader(pattern: string): Reader {
  const characters = Array.from(pattern)
  let at = 0
  const fail = (): never => {
    throw malformedPattern(pattern)
  }
  return {
    atEnd: () => at >= characters.length,
    take: (character) => {
      if (characters[at] !== character) return false
      at += 1
      return true
    },
    next: () => {
      const character = characters[at] ?? fail()
      at += 1
      return character
    },
    fail,
  }
}

const anything: Accepts = () => true
const notSlash: Accepts = (character) => character !== SLASH

function parseToken(reader: Reader, dialect: GlobDialect): GlobToken {
  const character = reader.next()
  if (character === '*' && dialect === 'ignore' && reader.take('*')) {
    reader.take('/')
    return reader.atEnd() ? { type: 'many', accepts: anything } : { type: 'directories' }
  }
  if (character === '*') return { type: 'many', accepts: notSlash }
  if (character === '?') return { type: 'one', accepts: notSlash }
  if (character === '[') return { type: 'one', accepts: parseClass(reader, dialect) }
  if (character !== '\\') return { type: 'one', accepts: equalTo(character) }
  const escaped = reader.next()
  if (dialect === 'ignore' && (escaped === 'b' || escaped === 'B'))
    return { type: 'boundary', expected: escaped === 'b' }
  return { type: 'one', accepts: escapedSet(escaped, dialect, reader) }
}

function equalTo(character: string): Accepts {
  const code = codeOf(character)
  return (other) => other === code
}

function codeOf(character: string): number {
  return character.codePointAt(0) ?? 0
}

/** `[^]{low[-high]}]`, after its opening bracket. Like Go's, a class can take a slash. */
function parseClass(reader: Reader, dialect: GlobDialect): Accepts {
  const isNegated = reader.take('^')
  const members: Accepts[] = []
  do members.push(parseClassMember(reader, dialect))
  while (!reader.take(']'))
  return (character) => members.some((accepts) => accepts(character)) !== isNegated
}

function parseClassMember(reader: Reader, dialect: GlobDialect): Accepts {
  const low = parseClassCharacter(reader, dialect)
  if (!reader.take('-')) return low.accepts
  const high = parseClassCharacter(reader, dialect)
  if (low.code === undefined || high.code === undefined) return reader.fail()
  const [from, to] = [low.code, high.code]
  if (dialect === 'ignore' && from > to) return reader.fail()
  return (character) => character >= from && character <= to
}

function parseClassCharacter(
  reader: Reader,
  dialect: GlobDialect,
): { readonly code?: number; readonly accepts: Accepts } {
  const character = reader.next()
  if (character === '-' || character === ']') return reader.fail()
  if (character !== '\\') return { code: codeOf(character), accepts: equalTo(character) }
  const escaped = reader.next()
  const accepts = escapedSet(escaped, dialect, reader)
  return dialect === 'ignore' && /[A-Za-z]/.test(escaped) ? { accepts } : { code: codeOf(escaped), accepts }
}

const isDigit: Accepts = (character) => character >= 0x30 && character <= 0x39
const isSpace: Accepts = (character) => [0x09, 0x0a, 0x0c, 0x0d, 0x20].includes(character)

/** Letters that mean something behind a backslash in a Go regular expression (regexp/syntax). */
const ESCAPES: Readonly<Record<string, Accepts>> = {
  d: isDigit,
  D: (character) => !isDigit(character),
  s: isSpace,
  S: (character) => !isSpace(character),
  w: isWordCharacter,
  W: (character) => !isWordCharacter(character),
  a: equalTo('\u0007'),
  f: equalTo('\f'),
  n: equalTo('\n'),
  r: equalTo('\r'),
  t: equalTo('\t'),
  v: equalTo('\v'),
}

function escapedSet(escaped: string, dialect: GlobDialect, reader: Reader): Accepts {
  if (dialect === 'match' || !/[0-9A-Za-z]/.test(escaped)) return equalTo(escaped)
  return ESCAPES[escaped] ?? reader.fail()
}
