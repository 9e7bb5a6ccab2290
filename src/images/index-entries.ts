import {
  type Descriptor,
  formatPlatform,
  normalizePlatform,
  OssbError,
  type Platform,
} from '../core/index.ts'
import type { BlobSource } from '../oci/index.ts'

/** An entry of an index that is being made, and where its content is. */
export interface IndexEntry {
  readonly descriptor: Descriptor
  /** The place that it came from, as the user wrote it. */
  readonly reference: string
  readonly source: BlobSource
  /** "registry/repository", for mounts. */
  readonly origin?: string
  /** What the image runs on; absent for what is none, such as an attestation. */
  readonly platform?: Platform
}

/**
 * Each entry once, in order. Of two images for one platform the last takes the place of the first where that is
 * wanted, and the attestations about the first go with it.
 * @throws OssbError ERR_OSSB_USAGE that names both
 */
export function mergeEntries(
  entries: readonly IndexEntry[],
  { replace, appended }: { readonly replace: boolean; readonly appended: boolean },
): readonly IndexEntry[] {
  const merged: IndexEntry[] = []
  for (const entry of entries) {
    if (merged.some(({ descriptor }) => descriptor.digest === entry.descriptor.digest)) continue
    const at = entry.platform === undefined ? -1 : merged.findIndex((other) => isSamePlatform(other, entry))
    const other = merged[at]
    if (other === undefined) merged.push(entry)
    else if (replace) replaceAt(merged, at, entry)
    else throw duplicate(other, entry, appended)
  }
  return merged
}

function replaceAt(merged: IndexEntry[], at: number, entry: IndexEntry): void {
  const [old] = merged.splice(at, 1, entry)
  const about = merged.findIndex(
    ({ descriptor }) => descriptor.annotations?.['vnd.docker.reference.digest'] === old?.descriptor.digest,
  )
  if (about !== -1) merged.splice(about, 1)
}

function isSamePlatform({ platform: one }: IndexEntry, { platform: other }: IndexEntry): boolean {
  if (one === undefined || other === undefined) return false
  return describe(one) === describe(other)
}

function describe(platform: Platform): string {
  const version = platform['os.version']
  return `${formatPlatform(normalizePlatform(platform))}${version === undefined ? '' : ` (${version})`}`
}

function duplicate(one: IndexEntry, other: IndexEntry, appended: boolean): OssbError {
  const name = ({ reference, descriptor }: IndexEntry) => `"${reference}" (${descriptor.digest})`
  return new OssbError(
    'ERR_OSSB_USAGE',
    `Cannot put ${name(one)} and ${name(other)} into one index: both are for ${describe(other.platform as Platform)}`,
    {
      hint: appended
        ? 'Take the last one with --replace.'
        : 'Leave one of them out, or take the last one with --replace.',
    },
  )
}
