import { createHash } from 'node:crypto'
import type { FileEntry, Job } from './core/index.ts'
import { type LocatedPackage, readPackages } from './inventory/index.ts'
import type { Attestation, Image } from './oci/index.ts'
import { licenseOf } from './spdx-license.ts'

export interface SbomParts {
  /** What the image is called; absent is nothing. */
  readonly name: string | undefined
  readonly image: Image
  /** The final root file system of the image, and all its files. */
  readonly rootfs: string
  readonly entries: AsyncIterable<FileEntry>
}

const DOCUMENT = 'SPDXRef-DOCUMENT'
const IMAGE = 'SPDXRef-Image'
const NONE = 'NOASSERTION'

/** What is installed in an image, as an SPDX document (2.3). It depends on the image alone, not on when it is made. */
export async function sbomOf({ name, image, rootfs, entries }: SbomParts, job: Job): Promise<Attestation> {
  const found = await readPackages(rootfs, entries, job)
  const created = image.config.created ?? '1970-01-01T00:00:00Z'
  return {
    predicateType: 'https://spdx.dev/Document',
    predicate: spdxDocument(name ?? 'image', created, found),
  }
}

/** Packages are in the order of their URLs, and their ids are made of what they are and where. */
export function spdxDocument(name: string, created: string, found: readonly LocatedPackage[]): object {
  const ids = new Map(found.map((one) => [idOf(one), one]))
  const sorted = [...ids].sort(([a, one], [b, other]) => order([one.purl, a], [other.purl, b]))
  const licenses = new Map(
    sorted.flatMap(([, { license }]) => {
      const { extracted } = licenseOf(license)
      return extracted === undefined ? [] : [[extracted.licenseId, extracted]]
    }),
  )
  const content = {
    packages: [imagePackage(name), ...sorted.map(([id, one]) => packageOf(id, one))],
    ...(licenses.size === 0 ? {} : { hasExtractedLicensingInfos: [...licenses.values()] }),
    relationships: [
      { spdxElementId: DOCUMENT, relationshipType: 'DESCRIBES', relatedSpdxElement: IMAGE },
      ...sorted.map(([id]) => ({
        spdxElementId: IMAGE,
        relationshipType: 'CONTAINS',
        relatedSpdxElement: id,
      })),
    ],
  }
  const time = created.replace(/\.\d+/, '')
  const fingerprint = hash(JSON.stringify([name, time, content]))
  return {
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: DOCUMENT,
    name,
    documentNamespace: `https://spdx.org/spdxdocs/${encodeURIComponent(name)}-${fingerprint}`,
    creationInfo: { created: time, creators: ['Tool: ossb'] },
    ...content,
  }
}

function imagePackage(name: string) {
  return {
    SPDXID: IMAGE,
    name,
    downloadLocation: NONE,
    filesAnalyzed: false,
    primaryPackagePurpose: 'CONTAINER',
    licenseConcluded: NONE,
    licenseDeclared: NONE,
    copyrightText: NONE,
  }
}

function packageOf(id: string, { name, version, purl, license, supplier, location }: LocatedPackage) {
  return {
    SPDXID: id,
    name,
    ...(version === '' ? {} : { versionInfo: version }),
    supplier: supplierText(supplier),
    downloadLocation: NONE,
    filesAnalyzed: false,
    sourceInfo: `found in ${location}`,
    licenseConcluded: NONE,
    licenseDeclared: licenseOf(license).expression,
    copyrightText: NONE,
    externalRefs: [{ referenceCategory: 'PACKAGE-MANAGER', referenceType: 'purl', referenceLocator: purl }],
  }
}

/** "NAME <ADDRESS>" in SPDX's form; the name says whether it is of one person. */
function supplierText(text: string | undefined): string {
  if (text === undefined) return NONE
  const [, name = text, address] = /^(.*?)\s*<([^>]*)>/s.exec(text) ?? []
  const kind = /\b(?:team|maintainers?|developers|project|group|foundation|inc|ltd|corporation)\b/i.test(name)
    ? 'Organization'
    : 'Person'
  const shown = (name === '' ? (address ?? text) : name).replaceAll(/\s+/g, ' ')
  return `${kind}: ${shown}${address === undefined || name === '' ? '' : ` (${address})`}`
}

function idOf({ type, name, purl, location }: LocatedPackage): string {
  const fingerprint = hash(`${purl}\0${location}`).slice(0, 16)
  return `SPDXRef-Package-${type}-${name.replaceAll(/[^A-Za-z\d.-]+/g, '-')}-${fingerprint}`
}

function order(one: readonly string[], other: readonly string[]): number {
  const [a, b] = [one.join('\0'), other.join('\0')]
  return a < b ? -1 : a > b ? 1 : 0
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
