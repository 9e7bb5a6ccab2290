import {
  type Descriptor,
  type Digest,
  familiarReference,
  isDigest,
  MEDIA_TYPE,
  OssbError,
  parseReference,
} from '../core/index.ts'
import { type ImageIndex, referralOf } from '../oci/index.ts'

/** What an OCI layout says of itself, wherever its files are (image-spec image-layout.md). */
export interface LayoutContent {
  /** As it is called in messages. */
  readonly where: string
  index(): ImageIndex
  /** The bytes of a manifest or index; undefined where it is not here, or too large to be one. */
  document(digest: Digest): Buffer | undefined
}

export const REF_NAME = 'org.opencontainers.image.ref.name'
const FULL_NAME = 'io.containerd.image.name'

/**
 * The image that a name stands for in a layout: a name of its index, a digest, `@` and a number from 0, or nothing
 * where there is one image only.
 * @throws OssbError ERR_OSSB_NOT_FOUND that lists the names there are
 */
export function resolveInLayout(content: LayoutContent, name: string): Descriptor {
  const { manifests } = content.index()
  if (isDigest(name)) {
    const known = manifests.find((manifest) => manifest.digest === name) ?? describeDocument(content, name)
    if (known === undefined) throw notFound(content, name)
    return known
  }
  // What refers to an image is none, but where it has a name of its own.
  const images = manifests.filter((manifest) => !isReferrer(content, manifest))
  if (name === '') return onlyImage(content, images)
  const found = /^@\d+$/.test(name)
    ? images[Number(name.slice(1))]
    : (manifests.findLast((manifest) => manifest.annotations?.[REF_NAME] === name) ??
      images.findLast((manifest) => sameName(manifest.annotations?.[FULL_NAME], name)))
  if (found === undefined) throw notFound(content, name)
  return found
}

function onlyImage(content: LayoutContent, images: readonly Descriptor[]): Descriptor {
  const [first] = images
  if (first === undefined)
    throw new OssbError('ERR_OSSB_NOT_FOUND', `Cannot find an image in "${content.where}": it holds none`)
  if (images.every(({ digest }) => digest === first.digest)) return first
  throw new OssbError(
    'ERR_OSSB_NOT_FOUND',
    `Cannot choose an image in "${content.where}": it holds ${images.length} and none was named`,
    { hint: namesHint(content) },
  )
}

function notFound(content: LayoutContent, name: string): OssbError {
  return new OssbError('ERR_OSSB_NOT_FOUND', `Cannot find "${name}" in "${content.where}"`, {
    hint: namesHint(content),
  })
}

const MOST_NAMES = 20

function namesHint(content: LayoutContent): string {
  const images = content.index().manifests.filter((manifest) => !isReferrer(content, manifest))
  const names = images.map(
    ({ annotations, digest }) => annotations?.[REF_NAME] ?? annotations?.[FULL_NAME] ?? digest,
  )
  if (names.length === 0) return 'It holds no image.'
  const more = names.length > MOST_NAMES ? ` and ${names.length - MOST_NAMES} more` : ''
  return `It holds ${names.slice(0, MOST_NAMES).join(', ')}${more}.`
}

/** Whether two references mean the same, as far as they are any. */
export function sameName(one: string | undefined, other: string): boolean {
  if (one === undefined) return false
  return one === other || familiarName(one) === familiarName(other)
}

function familiarName(name: string): string {
  try {
    return familiarReference(parseReference(name))
  } catch {
    return name
  }
}

function isReferrer(content: LayoutContent, manifest: Descriptor): boolean {
  const bytes = content.document(manifest.digest)
  return bytes !== undefined && referralOf(manifest, bytes) !== undefined
}

/** A manifest or index that no name stands for: its media type is in the document itself. */
function describeDocument(content: LayoutContent, digest: Digest): Descriptor | undefined {
  const bytes = content.document(digest)
  const mediaType = bytes === undefined ? undefined : mediaTypeOf(bytes.toString('utf8'))
  return bytes === undefined || mediaType === undefined
    ? undefined
    : { mediaType, digest, size: bytes.length }
}

function mediaTypeOf(text: string): string | undefined {
  try {
    const document = JSON.parse(text) as { mediaType?: string; manifests?: unknown; layers?: unknown }
    if (document.mediaType !== undefined) return document.mediaType
    if (document.manifests !== undefined) return MEDIA_TYPE.ociIndex
    return document.layers === undefined ? undefined : MEDIA_TYPE.ociManifest
  } catch {
    return undefined
  }
}
