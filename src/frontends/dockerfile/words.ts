import { dockerfileError } from './dockerfile-error.ts'
import { goQuote } from './go-format.ts'
import { replaceAll, replaceFirst, stripPrefix, stripSuffix } from './substitution-pattern.ts'
import { type Sink, textSink, wordSink } from './word-sink.ts'

/** The value of a variable, or undefined where it is not set. */
export type Lookup = (name: string) => string | undefined

export interface ExpandOptions {
  /** The escape character of the Dockerfile; the body of a heredoc always has `\`. */
  readonly escape: string
  /** `literal`: quotes are characters like any other (bodies of heredocs). Default `process`: they group and go. */
  readonly quotes?: 'process' | 'literal'
  /** Called for each use of a variable that is not set. */
  onUnset?(name: string): void
}

const MAX_DEPTH = 100

interface Scan {
  readonly text: string
  readonly lookup: Lookup
  readonly options: ExpandOptions
  position: number
  depth: number
  /** Whether escape characters stay in the result: inside patterns, which have their own use for them. */
  rawEscapes: boolean
}

/**
 * Expands variables and takes quotes and escapes off, as a shell would, without splitting.
 * @throws OssbError without a place: `failed to process "<word>": …`
 */
export function expandWord(word: string, lookup: Lookup, options: ExpandOptions): string {
  return expanding(word, () => {
    const result = textSink()
    scanUntil(startScan(word, lookup, options), undefined, result)
    return result.text()
  })
}

/** As expandWord(), then split where blanks are not quoted: what a variable holds is split, too. */
export function expandWords(word: string, lookup: Lookup, options: ExpandOptions): readonly string[] {
  return expanding(word, () => {
    const result = wordSink()
    scanUntil(startScan(word, lookup, options), undefined, result)
    return result.words()
  })
}

function expanding<T>(word: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof Error) throw dockerfileError(`failed to process ${goQuote(word)}: ${error.message}`)
    throw error
  }
}

function startScan(text: string, lookup: Lookup, options: ExpandOptions): Scan {
  return { text, lookup, options, position: 0, depth: 0, rawEscapes: false }
}

/** Everything up to the unquoted character `stop` (which is taken, too), or to the end where there is none. */
function scanUntil(scan: Scan, stop: string | undefined, sink: Sink): void {
  const { text, options } = scan
  const processQuotes = options.quotes !== 'literal'
  while (scan.position < text.length) {
    const character = text[scan.position] ?? ''
    if (character === stop) {
      scan.position += 1
      return
    }
    if (character === '$') sink.plain(dollar(scan))
    else if (processQuotes && character === "'") sink.quoted(singleQuoted(scan))
    else if (processQuotes && character === '"') sink.quoted(doubleQuoted(scan))
    else if (character === options.escape) escape(scan, sink)
    else sink.plain(run(scan, stop))
  }
  if (stop !== undefined)
    throw dockerfileError(`unexpected end of statement while looking for matching ${stop}`)
}

/** The longest stretch without a special character, at least one character. */
function run(scan: Scan, stop: string | undefined): string {
  const start = scan.position
  do scan.position += 1
  while (
    scan.position < scan.text.length &&
    !isSpecial(scan.text[scan.position] ?? '', scan.options.escape, stop)
  )
  return scan.text.slice(start, scan.position)
}

function isSpecial(character: string, escape: string, stop: string | undefined): boolean {
  return (
    character === '$' || character === "'" || character === '"' || character === escape || character === stop
  )
}

function escape(scan: Scan, sink: Sink): void {
  if (scan.rawEscapes) sink.quoted(scan.text[scan.position] ?? '')
  const next = String.fromCodePoint(...codePointsAt(scan.text, scan.position + 1))
  sink.quoted(next)
  scan.position += 1 + next.length
}

function codePointsAt(text: string, position: number): readonly number[] {
  const code = text.codePointAt(position)
  return code === undefined ? [] : [code]
}

function singleQuoted(scan: Scan): string {
  const end = scan.text.indexOf("'", scan.position + 1)
  if (end === -1) throw dockerfileError('unexpected end of statement while looking for matching single-quote')
  const body = scan.text.slice(scan.position + 1, end)
  scan.position = end + 1
  return body
}

function doubleQuoted(scan: Scan): string {
  const { text, options } = scan
  const result = textSink()
  scan.position += 1
  while (scan.position < text.length) {
    const character = text[scan.position] ?? ''
    if (character === '"') {
      scan.position += 1
      return result.text()
    }
    if (character === '$') result.plain(dollar(scan))
    else if (character === options.escape) result.plain(escapeInDoubleQuotes(scan))
    else result.plain(run(scan, undefined))
  }
  throw dockerfileError('unexpected end of statement while looking for matching double-quote')
}

function escapeInDoubleQuotes(scan: Scan): string {
  const character = scan.text[scan.position] ?? ''
  const next = scan.text[scan.position + 1]
  const kept = scan.rawEscapes ? character : ''
  if (next === '"' || next === '$' || next === scan.options.escape) {
    scan.position += 2
    return kept + next
  }
  scan.position += 1
  return next === undefined ? kept : kept + character
}

/** A name; a positional parameter; or one of the shell's special parameters, which are never set here. */
const NAME = /\p{Nd}+|[@*#?\-$!]|[\p{L}_][\p{L}\p{Nd}_]*/uy

function takeName(scan: Scan): string {
  NAME.lastIndex = scan.position
  const name = NAME.exec(scan.text)?.[0] ?? ''
  scan.position += name.length
  return name
}

function valueOf(scan: Scan, name: string): string | undefined {
  const value = scan.lookup(name)
  if (value === undefined) scan.options.onUnset?.(name)
  return value
}

/** `$name`, `${name}` and the forms with a modifier; a `$` before anything else stays. */
function dollar(scan: Scan): string {
  scan.position += 1
  if (scan.text[scan.position] !== '{') {
    const name = takeName(scan)
    return name === '' ? '$' : (valueOf(scan, name) ?? '')
  }
  scan.position += 1
  scan.depth += 1
  if (scan.depth > MAX_DEPTH) throw dockerfileError(`more than ${MAX_DEPTH} substitutions inside each other`)
  const value = braced(scan)
  scan.depth -= 1
  return value
}

function braced(scan: Scan): string {
  const { text } = scan
  const first = text[scan.position]
  if (first === undefined) throw missing('}')
  if (first === '{' || first === '}' || first === ':') throw dockerfileError('syntax error: bad substitution')
  const name = takeName(scan)
  const colon = text[scan.position] === ':' ? ':' : ''
  scan.position += colon.length
  const [code] = codePointsAt(text, scan.position)
  if (code === undefined) throw missing('}')
  const modifier = String.fromCodePoint(code)
  const handler = MODIFIERS[modifier]
  if (handler === undefined || (colon !== '' && !'-+?'.includes(modifier)))
    throw dockerfileError(`unsupported modifier (${colon}${modifier}) in substitution`)
  scan.position += modifier.length
  return handler(scan, name, colon !== '')
}

/** What follows `${name`: `colon` says that an empty value counts as none. */
type Modifier = (scan: Scan, name: string, colon: boolean) => string

const MODIFIERS: Readonly<Record<string, Modifier>> = {
  '}': (scan, name) => valueOf(scan, name) ?? '',
  '-': (scan, name, colon) => {
    const word = operand(scan, '}')
    const value = valueOf(scan, name)
    return isMissing(value, colon) ? word : value
  },
  '+': (scan, name, colon) => {
    const word = operand(scan, '}')
    return isMissing(valueOf(scan, name), colon) ? '' : word
  },
  '?': (scan, name, colon) => {
    const word = operand(scan, '}')
    const value = valueOf(scan, name)
    if (!isMissing(value, colon)) return value
    const reason = word || (value === undefined ? 'is not allowed to be unset' : 'is not allowed to be empty')
    throw dockerfileError(`${name}: ${reason}`)
  },
  '#': (scan, name) => strip(scan, name, { mark: '#', from: stripPrefix }),
  '%': (scan, name) => strip(scan, name, { mark: '%', from: stripSuffix }),
  '/': (scan, name) => {
    const all = scan.text[scan.position] === '/'
    if (all) scan.position += 1
    const pattern = operand(scan, '/', 'raw')
    const replacement = operand(scan, '}', 'raw')
    const replace = all ? replaceAll : replaceFirst
    return replace(valueOf(scan, name) ?? '', pattern, replacement)
  },
}

function isMissing(value: string | undefined, colon: boolean): value is undefined {
  return value === undefined || (colon && value === '')
}

function strip(scan: Scan, name: string, { mark, from }: { mark: string; from: typeof stripPrefix }): string {
  const word = operand(scan, '}', 'raw')
  const longest = word.startsWith(mark)
  return from(valueOf(scan, name) ?? '', longest ? word.slice(1) : word, longest)
}

/** The word up to `stop`, itself expanded; `raw` keeps the escapes of a pattern. */
function operand(scan: Scan, stop: '}' | '/', escapes: 'raw' | 'processed' = 'processed'): string {
  const outer = scan.rawEscapes
  scan.rawEscapes = escapes === 'raw'
  const result = textSink()
  try {
    scanUntil(scan, stop, result)
  } catch (error) {
    throw scan.position >= scan.text.length ? missing(stop) : error
  } finally {
    scan.rawEscapes = outer
  }
  return result.text()
}

function missing(character: '}' | '/'): Error {
  return dockerfileError(character === '/' ? "syntax error: missing '/' in ${}" : "syntax error: missing '}'")
}
