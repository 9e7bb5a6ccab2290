import { type FoundPackage, stated } from './found-package.ts'
import { purlOf } from './purl.ts'
import { parseStanzas } from './stanzas.ts'

/** The package of a METADATA or PKG-INFO file (core metadata specification); what follows the first blank line is prose. */
export function pythonPackages(text: string): readonly FoundPackage[] {
  const fields = parseStanzas(text)[0]
  const [name, version] = [fields?.get('name'), fields?.get('version')]
  if (fields === undefined || name === undefined || version === undefined) return []
  const license = fields.get('license-expression') ?? fields.get('license')
  const purl = purlOf({ type: 'pypi', name: name.toLowerCase().replaceAll(/[-_.]+/g, '-'), version })
  const supplier = person(fields, 'author') ?? person(fields, 'maintainer')
  return [{ type: 'pypi', name, version, purl, ...stated(license, supplier) }]
}

/** Newer files state the name in the address: "Author-email: Name <address>". */
function person(fields: ReadonlyMap<string, string>, role: string): string | undefined {
  const [name, email] = [fields.get(role), fields.get(`${role}-email`)]
  if (name === undefined || name === '') return email
  return email === undefined || /[<,]/.test(email) ? name : `${name} <${email}>`
}
