import { readFileSync, statSync } from 'node:fs'
import { type Descriptor, type Digest, isIndexType, isManifestType } from '../core/index.ts'
import {
  type ImageIndex,
  MAX_DOCUMENT_BYTES,
  parseIndex,
  type Referral,
  type ReferrerOptions,
  referralOf,
  referrersTag,
  selectReferrers,
} from '../oci/index.ts'
import type { StorePaths } from './paths.ts'

const REF_NAME = 'org.opencontainers.image.ref.name'

/**
 * What the index of a layout leads to and has this subject. Some tools write the list of a registry without the
 * referrers API into layouts as well: an index with the name `sha256-<hex>`.
 */
export function layoutReferrers(
  paths: StorePaths,
  { manifests }: ImageIndex,
  { subject, artifactType }: ReferrerOptions & { readonly subject: Digest },
): readonly Descriptor[] {
  const lists = manifests.filter(
    (entry) => isIndexType(entry.mediaType) && entry.annotations?.[REF_NAME] === referrersTag(subject),
  )
  const listed = lists.flatMap((entry) => {
    const bytes = readDocument(paths, entry)
    return bytes === undefined ? [] : parseIndex(bytes, `index ${entry.digest}`).manifests
  })
  const found = manifests.flatMap((entry) => {
    const referral = referralIn(paths, entry)
    return referral?.subject === subject ? [referral.referrer] : []
  })
  return selectReferrers([...listed, ...found], artifactType)
}

/** What a manifest that is here refers to; `undefined` for what is none, not here, or has no subject. */
export function referralIn(paths: StorePaths, content: Descriptor): Referral | undefined {
  const bytes = readDocument(paths, content)
  return bytes === undefined ? undefined : referralOf(content, bytes)
}

function readDocument(paths: StorePaths, content: Descriptor): Buffer | undefined {
  if (content.size > MAX_DOCUMENT_BYTES) return undefined
  if (!isIndexType(content.mediaType) && !isManifestType(content.mediaType)) return undefined
  const path = paths.blob(content.digest)
  return statSync(path, { throwIfNoEntry: false })?.isFile() ? readFileSync(path) : undefined
}
