import { usageError } from './usage-error.ts'

/**
 * The fields of one line of CSV (RFC 4180): a field in double quotes may hold commas, and "" for a quote.
 * @throws OssbError ERR_OSSB_USAGE naming `flag` for a quote out of place
 */
export function splitCsv(line: string, flag: string): readonly string[] {
  const fields: string[] = []
  const field = /\s*(?:"((?:[^"]|"")*)"|([^",]*))(,|$)/y
  for (let more = true; more; ) {
    const match = field.exec(line)
    if (match === null)
      throw usageError(
        `Cannot use ${flag} '${line}': a quote is out of place`,
        `Quote a whole KEY=VALUE, for example '${flag} type=image,"name=a,b"'.`,
      )
    fields.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? '')
    more = match[3] === ','
  }
  return fields
}
