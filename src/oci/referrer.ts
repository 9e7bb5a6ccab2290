import { type Descriptor, type Digest, isIndexType, isManifestType } from '../core/index.ts'
import { parseIndex, parseManifest } from './parse.ts'

/** A manifest or index that refers to another one. */
export interface Referral {
  readonly subject: Digest
  /** How a list of the subject's referrers names it: with its artifact type and annotations. */
  readonly referrer: Descriptor
}

/**
 * What a manifest or index says it refers to; `undefined` for one that has no subject. Its artifact type is that of
 * its config where it states none itself (distribution-spec "Listing Referrers").
 * @throws OssbError ERR_OSSB_IMAGE_INVALID for a damaged document with a subject
 */
export function referralOf(descriptor: Descriptor, bytes: Uint8Array): Referral | undefined {
  const what = `manifest ${descriptor.digest}`
  const isIndex = isIndexType(descriptor.mediaType)
  if (!isIndex && !isManifestType(descriptor.mediaType)) return undefined
  // Few have one, and a document that nobody asks about need not be a good one.
  if (!Buffer.from(bytes).includes('"subject"')) return undefined
  const document = isIndex ? parseIndex(bytes, what) : parseManifest(bytes, what)
  if (document.subject === undefined) return undefined
  const { mediaType, digest, size } = descriptor
  const stated = document.artifactType ?? ''
  const artifactType = stated === '' && 'config' in document ? document.config.mediaType : stated
  return {
    subject: document.subject.digest,
    referrer: {
      mediaType,
      digest,
      size,
      ...(artifactType === '' ? {} : { artifactType }),
      ...(document.annotations === undefined ? {} : { annotations: document.annotations }),
    },
  }
}

/**
 * The tag that lists the referrers of a manifest where there is no other place for it (distribution-spec
 * "Referrers Tag Schema"): at most 32 characters of the algorithm and 64 of the digits.
 */
export function referrersTag(subject: Digest): string {
  const colon = subject.indexOf(':')
  const clean = (text: string) => text.replace(/[^A-Za-z0-9._-]/g, '-')
  return `${clean(subject.slice(0, colon)).slice(0, 32)}-${clean(subject.slice(colon + 1)).slice(0, 64)}`
}

/** Each descriptor once, and those of one artifact type where that is asked for. */
export function selectReferrers(
  referrers: readonly Descriptor[],
  artifactType: string | undefined,
): readonly Descriptor[] {
  const byDigest = new Map<string, Descriptor>(referrers.map((one) => [one.digest, one]))
  const all = [...byDigest.values()]
  return artifactType === undefined ? all : all.filter((one) => one.artifactType === artifactType)
}
