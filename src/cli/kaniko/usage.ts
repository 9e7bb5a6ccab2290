import type { FlagKind, KanikoFlag } from './flag.ts'

/** A program or a command of it, as its usage shows it. */
export interface KanikoCommand {
  /** `executor`, `executor login <registry>`. */
  readonly line: string
  readonly summary: string
  readonly flags: readonly KanikoFlag[]
  readonly commands?: readonly (readonly [name: string, summary: string])[]
}

const TYPES: Readonly<Record<FlagKind, string>> = {
  bool: '',
  string: 'string',
  int: 'int',
  duration: 'duration',
  list: 'multi-arg type',
  words: 'strings',
}

/** `--help`: what the program is for, and how it is used. */
export function helpText(command: KanikoCommand): string {
  return `${command.summary}\n\n${usageText(command)}`
}

/** What follows an error of the command line. */
export function usageText({ line, flags, commands = [] }: KanikoCommand): string {
  const rows = [...flags, HELP].filter((flag) => flag.hidden !== true && flag.alias === undefined)
  const [program = ''] = line.split(' ')
  return [
    'Usage:',
    `  ${line} [flags]`,
    ...(commands.length === 0
      ? []
      : [
          `  ${line} [command]`,
          '',
          'Available Commands:',
          ...commands.map(([name, summary]) => `  ${name.padEnd(11)} ${summary}`),
        ]),
    '',
    'Flags:',
    ...table(rows),
    ...(commands.length === 0
      ? []
      : ['', `Use "${program} [command] --help" for more information about a command.`]),
    '',
  ].join('\n')
}

const HELP: KanikoFlag = { name: 'help', shorthand: 'h', kind: 'bool', description: 'help for this command' }

function table(flags: readonly KanikoFlag[]): readonly string[] {
  const sorted = [...flags].sort((a, b) => (a.name < b.name ? -1 : 1))
  const heads = sorted.map((flag) => {
    const type = flag.type ?? TYPES[flag.kind]
    const short = flag.shorthand === undefined ? '     ' : ` -${flag.shorthand}, `
    return ` ${short}--${flag.name}${type === '' ? '' : ` ${type}`}`
  })
  const width = Math.max(...heads.map(({ length }) => length))
  return sorted.map(
    (flag, at) => `${(heads[at] ?? '').padEnd(width)}   ${descriptionOf(flag)}${defaultOf(flag)}`,
  )
}

const NO_EFFECT = 'Accepted, and without effect: a build never touches the file system of its own container'

function descriptionOf({ description = '', effect }: KanikoFlag): string {
  return effect === 'none' ? NO_EFFECT : description
}

function defaultOf({ kind, default: value }: KanikoFlag): string {
  if (value === undefined || value === '' || value === 'false' || value === '0') return ''
  return ` (default ${kind === 'string' ? JSON.stringify(value) : value})`
}
