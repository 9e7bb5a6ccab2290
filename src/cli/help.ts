import type { CliCommand } from './commands.ts'
import { EXIT_STATUSES } from './exit-code.ts'
import type { CliOption } from './option-table.ts'

const INDENT = '  '
/** Most flags with their values are no wider. */
const OPTION_WIDTH = 30

/** The help of the whole program: what it is, and its commands. */
export function programHelp(commands: readonly CliCommand[], width: number): string {
  return [
    'ossb builds OCI images from Dockerfiles: no daemon, no container runtime, no root.',
    '',
    'Usage: ossb COMMAND [OPTIONS]',
    '',
    'Commands:',
    ...columns(
      commands.map(({ name, summary }) => [name, summary]),
      width,
    ),
    '',
    'Examples:',
    ...columns(
      commands.flatMap(({ examples }) => examples.slice(0, 1)),
      width,
    ),
    '',
    'Exit status:',
    ...columns(EXIT_STATUSES, width),
    '',
    'Run "ossb COMMAND --help" for the options of a command.',
    '',
  ].join('\n')
}

/** The help of one command. */
export function commandHelp(command: CliCommand, width: number): string {
  const positionals = command.positionals ?? []
  const groups = [...new Set(command.options.map(({ group }) => group))]
  return [
    command.summary,
    '',
    `Usage: ossb ${commandUsage(command, '[OPTIONS]')}`,
    ...(positionals.length === 0
      ? []
      : [
          '',
          ...columns(
            positionals.map((one) => [
              one.name,
              one.default === undefined ? one.description : `${one.description} Default: ${one.default}`,
            ]),
            width,
          ),
        ]),
    ...groups.flatMap((group) => [
      '',
      `${group}:`,
      ...columns(
        command.options.filter((option) => option.group === group).map((option) => optionRow(option)),
        width,
        OPTION_WIDTH,
      ),
    ]),
    ...(command.examples.length === 0 ? [] : ['', 'Examples:', ...columns(command.examples, width)]),
    '',
  ].join('\n')
}

/** The words of a command: `copy [OPTIONS] SRC DST`, `build [OPTIONS] [CONTEXT]`. */
export function commandUsage(command: CliCommand, options?: string): string {
  const words = (command.positionals ?? []).map((one) => {
    const name = one.repeats === true ? `${one.name}…` : one.name
    return one.default === undefined ? name : `[${name}]`
  })
  return [command.name, ...(options === undefined ? [] : [options]), ...words].join(' ')
}

function optionRow(option: CliOption): readonly [string, string] {
  return [
    `${option.alias === undefined ? '    ' : `-${option.alias}, `}${longForm(option)}`,
    describe(option),
  ]
}

/** `--progress auto|plain`: the flag with what stands after it. */
export function longForm(option: CliOption): string {
  const value = option.type === 'choice' ? option.choices.join('|') : option.value
  return `--${option.name}${value === undefined ? '' : ` ${value}`}`
}

function describe(option: CliOption): string {
  return [
    option.description,
    ...(option.default === undefined ? [] : [`Default: ${option.default}.`]),
    ...(option.environment === undefined ? [] : [`Environment: ${option.environment}.`]),
  ].join(' ')
}

/** Two columns; what is too wide for the left one puts the right one on the next line. */
function columns(
  rows: readonly (readonly [string, string])[],
  width: number,
  left: number = Math.max(...rows.map(([first]) => first.length)),
): readonly string[] {
  const margin = INDENT.length + left + 2
  return rows.flatMap(([first, second]) => {
    const lines = wrapWords(second, Math.max(30, width - margin))
    const fits = first.length <= left
    return [
      ...(fits ? [] : [INDENT + first]),
      ...lines.map((line, index) =>
        fits && index === 0 ? `${INDENT}${first.padEnd(left)}  ${line}` : ' '.repeat(margin) + line,
      ),
    ]
  })
}

function wrapWords(text: string, width: number): readonly string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else {
      line = line === '' ? word : `${line} ${word}`
    }
  }
  return [...lines, line]
}
