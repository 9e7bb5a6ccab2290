import { dockerfileError } from './dockerfile-error.ts'

/** The fields of one line of comma-separated values (RFC 4180): a quoted field may hold commas and doubled quotes. */
export function parseCsvLine(line: string): readonly string[] {
  const fields: string[] = []
  let position = 0
  while (position <= line.length) {
    const field = line[position] === '"' ? quotedField(line, position) : plainField(line, position)
    fields.push(field.value)
    position = field.end + 1
  }
  return fields
}

function plainField(line: string, start: number): { value: string; end: number } {
  const comma = line.indexOf(',', start)
  const end = comma === -1 ? line.length : comma
  const value = line.slice(start, end)
  if (value.includes('"')) throw dockerfileError('parse error: bare " in non-quoted field')
  return { value, end }
}

function quotedField(line: string, start: number): { value: string; end: number } {
  let value = ''
  let position = start + 1
  for (;;) {
    const quote = line.indexOf('"', position)
    if (quote === -1) throw dockerfileError('parse error: extraneous or missing " in quoted field')
    value += line.slice(position, quote)
    if (line[quote + 1] !== '"') {
      if (quote + 1 < line.length && line[quote + 1] !== ',')
        throw dockerfileError('parse error: extraneous or missing " in quoted field')
      return { value, end: quote + 1 }
    }
    value += '"'
    position = quote + 2
  }
}
