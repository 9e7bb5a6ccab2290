import { CommandError } from './command-error.ts'
import type { FlagKind, FlagValues, KanikoFlag } from './flag.ts'
import { parseBool, parseDuration, parseInteger, refusal } from './go-values.ts'

export interface ParsedFlags<Flag extends KanikoFlag> {
  readonly values: FlagValues<Flag>
  /** Words that belong to no flag. */
  readonly words: readonly string[]
  /** `--help`. */
  readonly help: boolean
  /** What is to be said of flags that have another name by now. */
  readonly notices: readonly string[]
}

interface Given {
  readonly flag: KanikoFlag
  readonly text: string
}

/**
 * Reads a command line by the rules of pflag: `--name=value`, `--name value`, `-n value`, `-nvalue`; a boolean takes a
 * value only after `=`; `--` ends the flags. Of a flag that takes one value the last one counts.
 * @throws CommandError in the words of pflag
 */
export function parseFlags<Flag extends KanikoFlag>(
  args: readonly string[],
  flags: readonly Flag[],
): ParsedFlags<Flag> {
  const given: Given[] = []
  const words: string[] = []
  let help = false
  for (let at = 0; at < args.length; at++) {
    const word = args[at] ?? ''
    if (word === '--') {
      words.push(...args.slice(at + 1))
      break
    }
    if (!word.startsWith('-') || word === '-') {
      words.push(word)
      continue
    }
    const read = word.startsWith('--') ? readLong(word, flags) : readShort(word, flags)
    if (read === 'help') {
      help = true
      continue
    }
    for (const one of read) {
      if (one.text !== undefined) given.push({ flag: one.flag, text: one.text })
      else if (at + 1 < args.length) given.push({ flag: one.flag, text: args[++at] ?? '' })
      else throw new CommandError(`flag needs an argument: ${one.spelling}`)
    }
  }
  for (const { flag, text } of given) check(flag, text)
  return { values: valuesOf(given, flags), words, help, notices: given.flatMap(noticeOf) }
}

interface ReadFlag {
  readonly flag: KanikoFlag
  /** As it stands on the command line, for messages. */
  readonly spelling: string
  /** Absent where the next word is the value. */
  readonly text?: string
}

function readLong(word: string, flags: readonly KanikoFlag[]): readonly ReadFlag[] | 'help' {
  const equals = word.indexOf('=')
  const name = equals === -1 ? word.slice(2) : word.slice(2, equals)
  if (name === '' || name.startsWith('-')) throw new CommandError(`bad flag syntax: ${word}`)
  if (name === 'help') return 'help'
  const flag = flags.find((one) => one.name === name)
  if (flag === undefined) throw new CommandError(`unknown flag: --${name}`)
  const spelling = `--${name}`
  if (equals !== -1) return [{ flag, spelling, text: word.slice(equals + 1) }]
  return [flag.kind === 'bool' ? { flag, spelling, text: 'true' } : { flag, spelling }]
}

/** `-v debug`, `-vdebug`, `-v=debug`; letters of booleans may stand together. */
function readShort(word: string, flags: readonly KanikoFlag[]): readonly ReadFlag[] | 'help' {
  const read: ReadFlag[] = []
  for (let at = 1; at < word.length; at++) {
    const letter = word.charAt(at)
    const flag = flags.find(({ shorthand }) => shorthand === letter)
    if (flag === undefined) {
      if (letter === 'h') return 'help'
      throw new CommandError(`unknown shorthand flag: '${letter}' in ${word}`)
    }
    const spelling = `'${letter}' in ${word}`
    const rest = word.slice(at + 1)
    if (rest.startsWith('=')) return [...read, { flag, spelling, text: rest.slice(1) }]
    if (flag.kind !== 'bool')
      return [...read, rest === '' ? { flag, spelling } : { flag, spelling, text: rest }]
    read.push({ flag, spelling, text: 'true' })
  }
  return read
}

const READERS: Readonly<Record<FlagKind, (text: string) => unknown>> = {
  bool: parseBool,
  int: parseInteger,
  duration: parseDuration,
  string: (text) => text,
  list: (text) => text,
  words: (text) => text,
}

function check(flag: KanikoFlag, text: string): void {
  if (READERS[flag.kind](text) !== undefined) return
  throw new CommandError(invalidArgument(flag, text, refusal(flag.kind, text)))
}

/** A value that a flag does not take, as pflag says it. */
export function invalidArgument(
  { name, shorthand }: Pick<KanikoFlag, 'name' | 'shorthand'>,
  text: string,
  why: string,
): string {
  const spelling = shorthand === undefined ? `--${name}` : `-${shorthand}, --${name}`
  return `invalid argument ${JSON.stringify(text)} for "${spelling}" flag: ${why}`
}

function valuesOf<Flag extends KanikoFlag>(
  given: readonly Given[],
  flags: readonly Flag[],
): FlagValues<Flag> {
  const textsOf = (name: string) =>
    given.filter(({ flag }) => (flag.alias ?? flag.name) === name).map(({ text }) => text)
  const last = (name: string) =>
    textsOf(name).at(-1) ?? flags.find((flag) => flag.name === name)?.default ?? ''
  return {
    on: (name) => parseBool(last(name)) === true,
    text: (name) => last(name),
    number: (name) => parseInteger(last(name)) ?? 0,
    duration: (name) => parseDuration(last(name)) ?? 0,
    list(name) {
      const isWords = flags.some((flag) => flag.name === name && flag.kind === 'words')
      return isWords ? textsOf(name).flatMap((text) => text.split(',')) : textsOf(name)
    },
    isSet: (name) => given.some(({ flag }) => flag.name === name),
  }
}

function noticeOf({ flag }: Given): readonly string[] {
  return flag.deprecated === undefined ? [] : [`Flag --${flag.name} has been deprecated, ${flag.deprecated}`]
}
