import { dockerfileError } from './dockerfile-error.ts'
import { didYouMean } from './suggestion.ts'

export interface ExtractedFlags {
  /** The flag words, unquoted, with their dashes. */
  readonly flags: readonly string[]
  readonly rest: string
}

const SPACE = /\s/

/** Takes the words that begin with `--` from the front of an instruction's arguments; a bare `--` ends them. */
export function extractFlags(text: string, escape: string): ExtractedFlags {
  const flags: string[] = []
  let position = 0
  for (;;) {
    while (position < text.length && SPACE.test(text[position] ?? '')) position += 1
    if (!text.startsWith('--', position)) return { flags, rest: text.slice(position) }
    const { word, end } = readFlagWord(text, position, escape)
    position = end
    if (word === '--') return { flags, rest: text.slice(position).trimStart() }
    flags.push(word)
  }
}

function readFlagWord(text: string, start: number, escape: string): { word: string; end: number } {
  let word = ''
  let quote = ''
  let position = start
  for (; position < text.length; position += 1) {
    const character = text[position] ?? ''
    if (quote === '' && SPACE.test(character)) break
    if (character === quote) quote = ''
    else if (quote === '' && (character === '"' || character === "'")) quote = character
    else if (character === escape) {
      position += 1
      word += text[position] ?? ''
    } else word += character
  }
  return { word, end: Math.min(position, text.length) }
}

type FlagType = 'text' | 'boolean' | 'list'

/** The flags that an instruction takes, by name without dashes. */
export type FlagTable = Readonly<Record<string, FlagType>>

/** The values of an instruction's flags. */
export interface Flags {
  text(name: string): string | undefined
  boolean(name: string): boolean | undefined
  list(name: string): readonly string[]
}

/** @throws OssbError without a place for unknown, repeated and malformed flags */
export function parseFlags(words: readonly string[], table: FlagTable): Flags {
  const values = new Map<string, string[]>()
  for (const word of words) {
    const equals = word.indexOf('=')
    const name = word.slice(2, equals === -1 ? undefined : equals)
    const type = Object.hasOwn(table, name) ? table[name] : undefined
    if (type === undefined)
      throw dockerfileError(`unknown flag: --${name}${didYouMean(name, Object.keys(table))}`)
    const earlier = values.get(name)
    if (earlier !== undefined && type !== 'list') throw dockerfileError(`duplicate flag specified: --${name}`)
    const value = flagValue(name, type, equals === -1 ? undefined : word.slice(equals + 1))
    if (earlier === undefined) values.set(name, [value])
    else earlier.push(value)
  }
  return {
    text: (name) => values.get(name)?.[0],
    boolean: (name) => (values.has(name) ? values.get(name)?.[0] === 'true' : undefined),
    list: (name) => values.get(name) ?? [],
  }
}

function flagValue(name: string, type: FlagType, given: string | undefined): string {
  if (type !== 'boolean') {
    if (given === undefined) throw dockerfileError(`missing a value on flag: --${name}`)
    return given
  }
  if (given === '') throw dockerfileError(`missing a value on flag: --${name}`)
  const value = (given ?? 'true').toLowerCase()
  if (value !== 'true' && value !== 'false')
    throw dockerfileError(`expecting boolean value for flag --${name}, not: ${given}`)
  return value
}
