/**
 * The paragraphs of a text of "Name: value" lines, as dpkg and Python write them (deb822(5), email headers). Names are in
 * lower case; lines that begin with a blank carry a value on; of a name that comes twice the first counts.
 */
export function parseStanzas(text: string): readonly ReadonlyMap<string, string>[] {
  return text
    .replaceAll('\r\n', '\n')
    .split(/\n(?:[ \t]*\n)+/)
    .map(fieldsOf)
    .filter((fields) => fields.size > 0)
}

function fieldsOf(paragraph: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>()
  let last: string | undefined
  for (const line of paragraph.split('\n')) {
    if (/^[ \t]/.test(line)) {
      if (last !== undefined) fields.set(last, `${fields.get(last)}\n${line.trim()}`)
      continue
    }
    const colon = line.indexOf(':')
    const name = colon < 1 ? undefined : line.slice(0, colon).toLowerCase()
    last = name === undefined || fields.has(name) ? undefined : name
    if (last !== undefined) fields.set(last, line.slice(colon + 1).trim())
  }
  return fields
}
