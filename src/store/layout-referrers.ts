import { type Descriptor, type Digest, isIndexType, isManifestType } from '../core/index.ts'
import {
  parseIndex,
  type Referral,
  type ReferrerOptions,
  referralOf,
  referrersTag,
  selectReferrers,
} from '../oci/index.ts'
import { type LayoutContent, REF_NAME } from './layout-content.ts'

/**
 * What the index of a layout leads to and has this subject. Some tools write the list of a registry without the
 * referrers API into layouts as well: an index with the name `<algorithm>-<hex>`.
 */
export function layoutReferrers(
  content: LayoutContent,
  { subject, artifactType }: ReferrerOptions & { readonly subject: Digest },
): readonly Descriptor[] {
  const { manifests } = content.index()
  const lists = manifests.filter(
    (entry) => isIndexType(entry.mediaType) && entry.annotations?.[REF_NAME] === referrersTag(subject),
  )
  const listed = lists.flatMap((entry) => {
    const bytes = content.document(entry.digest)
    return bytes === undefined ? [] : parseIndex(bytes, `index ${entry.digest}`).manifests
  })
  const found = manifests.flatMap((entry) => {
    const referral = referralIn(content, entry)
    return referral?.subject === subject ? [referral.referrer] : []
  })
  return selectReferrers([...listed, ...found], artifactType)
}

/** What a manifest that is here refers to; `undefined` for what is none, not here, or has no subject. */
export function referralIn(content: LayoutContent, document: Descriptor): Referral | undefined {
  if (!isIndexType(document.mediaType) && !isManifestType(document.mediaType)) return undefined
  const bytes = content.document(document.digest)
  return bytes === undefined ? undefined : referralOf(document, bytes)
}
