import type { Parser } from 'yargs/helpers'
import type { CliCommand, CliPositional } from './commands.ts'
import type { CliOption } from './option-table.ts'
import { nearest, usageError } from './usage-error.ts'

type Environment = Readonly<Record<string, string | undefined>>
type FlagValue = boolean | string | undefined | readonly string[]

/** A command line taken apart: flags by name, absent ones filled from their variables. */
export interface ParsedCommand {
  /** Undefined when the line names none: help is wanted. */
  readonly command?: CliCommand
  readonly positionals: readonly string[]
  readonly values: Readonly<Record<string, FlagValue>>
}

export interface CommandLine {
  readonly args: readonly string[]
  readonly commands: readonly CliCommand[]
  readonly environment: Environment
}

/**
 * What yargs would change behind our back: `--no-push` is a flag of its own and not the opposite of `--push`,
 * `a.b=c` is a label and no path, `0x10` stays the text it is.
 */
const PARSER = {
  'boolean-negation': false,
  'dot-notation': false,
  'parse-numbers': false,
  'parse-positional-numbers': false,
  'greedy-arrays': false,
  'camel-case-expansion': false,
  'strip-aliased': true,
}

type Arguments = Readonly<Record<string, unknown>>

/** @throws OssbError ERR_OSSB_USAGE that names the word that is wrong and the one that was probably meant */
export async function parseCommandLine(line: CommandLine): Promise<ParsedCommand> {
  // The parser alone: all of yargs takes longer to load than most commands take, and writes a help that nobody reads.
  const { Parser: parser } = await import('yargs/helpers')
  const { args, commands, environment } = line
  const read = (options: readonly CliOption[]) => readArguments(parser, args, options)
  // Which flags take a value is known once the command is: until then, each that is followed by a word.
  const command = commandOf(wordsOf(read([])), commands)
  const argv = read(command?.options ?? [])
  checkFlags(argv, command)
  if (command !== undefined)
    return {
      command,
      positionals: positionalsOf(command, argv),
      values: valuesOf(command.options, argv, environment),
    }
  if (argv['help'] !== true) checkNoCommand(wordsOf(argv), commands)
  return { positionals: [], values: {} }
}

/** Values by flag; the words that belong to none are `_`. */
function readArguments(
  parser: typeof Parser,
  args: readonly string[],
  options: readonly CliOption[],
): Arguments {
  const namesOf = (isFlag: boolean) =>
    options.filter(({ type }) => (type === 'flag') === isFlag).map(({ name }) => name)
  const { argv, error } = parser.detailed([...args], {
    configuration: PARSER,
    boolean: ['help', ...namesOf(true)],
    string: namesOf(false),
    alias: { help: 'h', ...Object.fromEntries(options.map(({ name, alias = [] }) => [name, alias])) },
  })
  if (error === null) return argv
  throw usageError(`Cannot read the command line: ${error.message}`, 'See "ossb --help".')
}

/** `cache info` is the command `info` below the command `cache`. */
function commandOf(words: readonly string[], commands: readonly CliCommand[]): CliCommand | undefined {
  return commands.find(({ name }) => name.split(' ').every((word, at) => words[at] === word))
}

function checkFlags(argv: Arguments, command: CliCommand | undefined): void {
  const known = new Set(['_', 'help', ...(command?.options ?? []).map(({ name }) => name)])
  const unknown = Object.keys(argv).find((name) => !known.has(name))
  if (unknown !== undefined) throw unknownFlag(unknown, command)
}

function wordsOf(argv: Arguments): readonly string[] {
  const words = argv['_']
  return Array.isArray(words) ? words.map(String) : []
}

function positionalsOf(command: CliCommand, argv: Arguments): readonly string[] {
  const words = wordsOf(argv).slice(command.name.split(' ').length)
  const known = command.positionals ?? []
  const surplus = known.at(-1)?.repeats === true ? undefined : words[known.length]
  if (surplus !== undefined)
    throw usageError(
      `Cannot use "${surplus}": "${command.name}" takes ${wantedWords(known)}`,
      helpHint(command),
    )
  const missing = known.slice(words.length).find((one) => one.default === undefined)
  if (missing !== undefined && argv['help'] !== true)
    throw usageError(`Cannot run "${command.name}": ${missing.name} is missing`, helpHint(command))
  return words
}

function wantedWords(known: readonly CliPositional[]): string {
  if (known.length === 0) return 'no argument'
  return known.length === 1 ? `one ${known[0]?.name}` : `only ${known.map(({ name }) => name).join(' and ')}`
}

function helpHint(command: CliCommand): string {
  return `See "ossb ${command.name} --help".`
}

function valuesOf(
  options: readonly CliOption[],
  argv: Arguments,
  environment: Environment,
): Record<string, FlagValue> {
  return Object.fromEntries(
    options.map((option) => [option.name, valueOf(option, argv[option.name], environment)]),
  )
}

function valueOf(option: CliOption, given: unknown, environment: Environment): FlagValue {
  const words = (Array.isArray(given) ? given : [given]).filter((word) => word !== undefined)
  if (option.type === 'flag') return words.at(-1) === true
  const texts = words.map(String)
  if (texts.includes(''))
    throw usageError(
      `Cannot use --${option.name} without a value`,
      `Write --${option.name} ${option.value ?? 'VALUE'}.`,
    )
  const standIn = option.environment === undefined ? undefined : environment[option.environment]
  const fromEnvironment = texts.length === 0 && standIn !== undefined && standIn !== ''
  const effective = fromEnvironment ? [standIn] : texts
  if (option.type === 'list') return effective
  const last = effective.at(-1)
  if (option.type === 'text' || last === undefined) return last
  return choiceOf(option, last, fromEnvironment ? `${option.environment}` : `--${option.name}`)
}

function choiceOf(option: CliOption & { readonly type: 'choice' }, word: string, origin: string): string {
  const synonym = Object.entries(option.synonyms ?? {}).find(([other]) => other === word)
  const choice = synonym?.[1] ?? word
  if (option.choices.includes(choice)) return choice
  throw usageError(
    `Cannot use "${word}" for ${origin}: there is no such choice`,
    `Choose one of ${option.choices.join(', ')}.`,
  )
}

/** A line that names no command is one for help, unless it tried to. */
function checkNoCommand(words: readonly string[], commands: readonly CliCommand[]): void {
  const [word] = words
  if (word === undefined) return
  const whole = commands.filter(({ name }) => name.startsWith(`${word} `)).map(({ name }) => `"ossb ${name}"`)
  if (whole.length === 0 || words.length > 1) throw unknownCommand(words, commands)
  throw usageError(`Cannot run "${word}": it needs one more word`, `Write ${whole.join(' or ')}.`)
}

function unknownCommand(words: readonly string[], commands: readonly CliCommand[]): Error {
  const typed = words.slice(0, 2).join(' ')
  const names = commands.map(({ name }) => name)
  const meant = nearest(typed, names) ?? nearest(words[0] ?? '', names)
  const isFamily = names.some((name) => name.startsWith(`${words[0]} `))
  const word = isFamily ? typed : (words[0] ?? '')
  return usageError(
    `Cannot run "${word}": there is no such command`,
    meant === undefined ? `The commands are ${names.join(', ')}.` : `Did you mean "ossb ${meant}"?`,
  )
}

/** Flags of other builders for what is not done here, and why. */
const REFUSED: Readonly<Record<string, string>> = {
  'cgroup-parent': 'a RUN is put into no cgroup of its own; limit what it may use with --ulimit',
}

function unknownFlag(word: string, command: CliCommand | undefined): Error {
  const flag = word.length === 1 ? `-${word}` : `--${word}`
  const refused = Object.hasOwn(REFUSED, word) ? REFUSED[word] : undefined
  if (refused !== undefined && command?.name === 'build')
    return usageError(
      `Cannot use ${flag}: it is not supported`,
      `${refused.slice(0, 1).toUpperCase()}${refused.slice(1)}.`,
    )
  const program = command === undefined ? 'ossb' : `ossb ${command.name}`
  const names = command?.options.map(({ name }) => name) ?? []
  const meant = nearest(word, names)
  return usageError(
    `Cannot use ${flag}: "${program}" has no such flag`,
    meant === undefined ? `See "${program} --help".` : `Did you mean --${meant}?`,
  )
}
