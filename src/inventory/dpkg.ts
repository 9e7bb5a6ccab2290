import { type Distribution, type FoundPackage, stated } from './found-package.ts'
import { purlOf, qualifiersOf } from './purl.ts'
import { parseStanzas } from './stanzas.ts'

/** The packages of /var/lib/dpkg/status, or of a file in status.d, that are unpacked. Licences are not in it. */
export function dpkgPackages(text: string, distribution?: Distribution): readonly FoundPackage[] {
  return parseStanzas(text).flatMap((fields) => {
    const [name, version] = [fields.get('package'), fields.get('version')]
    // "want flag state"; the files in status.d, of images without dpkg, may have none.
    const state = fields.get('status')?.split(' ').at(-1) ?? 'installed'
    if (name === undefined || version === undefined || /^(?:not-installed|config-files)$/.test(state))
      return []
    const purl = purlOf({
      type: 'deb',
      namespace: distribution?.id ?? 'debian',
      name,
      version,
      qualifiers: qualifiersOf(fields.get('architecture'), distribution),
    })
    return [{ type: 'deb', name, version, purl, ...stated(undefined, fields.get('maintainer')) }]
  })
}
