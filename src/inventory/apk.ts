import { type Distribution, type FoundPackage, stated } from './found-package.ts'
import { purlOf, qualifiersOf } from './purl.ts'

/** The packages of apk's `installed` database: paragraphs of lines with a letter, a colon and a value. */
export function apkPackages(text: string, distribution?: Distribution): readonly FoundPackage[] {
  return text.split(/\n\n+/).flatMap((paragraph) => {
    const field = (letter: string) => new RegExp(`^${letter}:(.*)$`, 'm').exec(paragraph)?.[1]?.trim()
    const [name, version] = [field('P'), field('V')]
    if (name === undefined || version === undefined) return []
    const purl = purlOf({
      type: 'apk',
      namespace: distribution?.id ?? 'alpine',
      name,
      version,
      qualifiers: qualifiersOf(field('A'), distribution),
    })
    return [{ type: 'apk', name, version, purl, ...stated(field('L'), field('m')) }]
  })
}
