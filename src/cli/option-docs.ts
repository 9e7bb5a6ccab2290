import type { CliCommand } from './commands.ts'
import { EXIT_STATUSES } from './exit-code.ts'
import { commandUsage, longForm } from './help.ts'
import type { CliOption } from './option-table.ts'

const BEGIN = '<!-- flags: begin (made by "npm run docs" from src/cli/option-table.ts) -->'
const END = '<!-- flags: end -->'

/**
 * The text of a README with the flag tables of all commands between its two markers.
 * @throws Error when the markers are not there
 */
export function withFlagTables(readme: string, commands: readonly CliCommand[]): string {
  const begin = readme.indexOf(BEGIN)
  const end = readme.indexOf(END)
  if (begin === -1 || end < begin)
    throw new Error(`Cannot write the flag tables: no "${BEGIN}" before "${END}"`)
  const tables = [...commands.map(commandSection), exitSection()]
  return `${readme.slice(0, begin) + BEGIN}\n\n${tables.join('\n\n')}\n\n${readme.slice(end)}`
}

function commandSection(command: CliCommand): string {
  const title = `### \`ossb ${commandUsage(command)}\`\n\n${command.summary}`
  return [title, '', ...table(['Flag', 'Meaning', 'Default'], command.options.map(row))].join('\n')
}

function row(option: CliOption): readonly string[] {
  const short = option.alias === undefined ? '' : `\`-${option.alias}\`, `
  const standIn = option.environment === undefined ? '' : ` Environment: \`${option.environment}\`.`
  return [`${short}\`${longForm(option)}\``, option.description + standIn, option.default ?? '']
}

function exitSection(): string {
  return ['### Exit status', '', ...table(['Status', 'Meaning'], EXIT_STATUSES)].join('\n')
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)]
}
