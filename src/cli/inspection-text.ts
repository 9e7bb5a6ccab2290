import { basename } from 'node:path'
import type { CheckReport, Outline, OutlineMount, TargetList } from '../index.ts'
import { codeFrameOf, textLines } from './code-frame.ts'
import { sanitizeText, textWidth } from './progress/text.ts'

/** The findings of a check, each with the lines that it is about. */
export function checkText({ file, warnings, error }: CheckReport): readonly string[] {
  const name = basename(file.name)
  const lines = textLines(file.text)
  const found = warnings.flatMap(({ rule, url, detail, source }) => [
    '',
    `WARNING: ${rule}${url === undefined ? '' : ` - ${url}`}`,
    sanitizeText(detail),
    ...codeFrameOf({ ...source, file: name }, lines),
  ])
  if (warnings.length === 0) return error === undefined ? ['Check complete, no warnings found.'] : []
  const count =
    warnings.length === 1 ? '1 warning has been found!' : `${warnings.length} warnings have been found!`
  return [`Check complete, ${count}`, ...found]
}

export function outlineText({ name, description, args, secrets, ssh }: Outline): readonly string[] {
  const head =
    name === undefined && description === undefined
      ? []
      : [
          `TARGET:      ${name ?? '(default)'}`,
          ...(description === undefined ? [] : [`DESCRIPTION: ${sanitizeText(description)}`]),
          '',
        ]
  const rows = args.map((argument) => [argument.name, argument.value ?? '', argument.description ?? ''])
  return [
    ...head,
    ...table(['BUILD ARG', 'VALUE', 'DESCRIPTION'], rows),
    ...mountTable('SECRET', secrets),
    ...mountTable('SSH', ssh),
  ]
}

function mountTable(title: string, mounts: readonly OutlineMount[]): readonly string[] {
  return table(
    [title, 'REQUIRED'],
    mounts.map(({ id, required }) => [id, required ? 'true' : '']),
  )
}

export function targetsText({ targets }: TargetList): readonly string[] {
  const rows = targets.map(({ name, isDefault, description = '' }) => {
    const shown = isDefault
      ? [name, '(default)'].filter((part) => part !== undefined).join(' ')
      : (name ?? '')
    return [shown, description]
  })
  return table(['TARGET', 'DESCRIPTION'], rows).slice(0, -1)
}

const GAP = 3

/** Columns, with an empty line behind; nothing at all where there are no rows. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  if (rows.length === 0) return []
  const clean = [head, ...rows.map((row) => row.map(sanitizeText))]
  const widths = head.map((_, column) => Math.max(...clean.map((row) => textWidth(row[column] ?? ''))))
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) =>
        column === row.length - 1 ? cell : cell + ' '.repeat((widths[column] ?? 0) + GAP - textWidth(cell)),
      )
      .join('')
  return [...clean.map(line), '']
}
