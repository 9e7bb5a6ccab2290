import {
  type Descriptor,
  formatReference,
  isIndexType,
  MEDIA_TYPE,
  OssbError,
  type Platform,
  parseReference,
} from '../core/index.ts'
import { type Image, parseIndex } from '../oci/index.ts'

/** The file `oci-layout` (image-spec image-layout.md#oci-layout-file). */
export const OCI_LAYOUT_FILE = '{"imageLayoutVersion":"1.0.0"}'

const REF_NAME = 'org.opencontainers.image.ref.name'

export interface NamedRoot {
  readonly root: Descriptor
  readonly platform?: Platform
  /** When the image was made (RFC 3339). */
  readonly created?: string
  /** What else the entries say. */
  readonly annotations?: Readonly<Record<string, string>>
  readonly names: readonly string[]
}

/** The entries of index.json that lead to an image: one for each of its names, or one without a name. */
export function layoutEntries(image: NamedRoot, defaultTag?: string): readonly Descriptor[] {
  const entry = (name?: string, tag?: string): Descriptor => ({
    mediaType: image.root.mediaType,
    digest: image.root.digest,
    size: image.root.size,
    annotations: {
      ...image.annotations,
      ...(name === undefined ? {} : { 'io.containerd.image.name': name }),
      ...(image.created === undefined ? {} : { 'org.opencontainers.image.created': image.created }),
      ...(tag === undefined ? {} : { [REF_NAME]: tag }),
    },
    ...(image.platform === undefined ? {} : { platform: image.platform }),
  })
  if (image.names.length === 0) return [entry(undefined, defaultTag)]
  return image.names.map((name) => {
    const reference = parseReference(name)
    return entry(formatReference(reference), reference.tag)
  })
}

/** When the first image was made, for its entry. */
export function createdOf(images: readonly Image[]): { readonly created?: string } {
  const created = images[0]?.config.created
  return created === undefined ? {} : { created }
}

export function serializeLayoutIndex(manifests: readonly Descriptor[]): string {
  return JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests })
}

/**
 * An index.json with more entries. One with the same reference name is replaced, as a tag moves; everything else in
 * the file stays as it is, members that OSSB does not know included.
 * @throws OssbError ERR_OSSB_IMAGE_INVALID when `existing` is not an index
 */
export function mergeLayoutIndex(existing: Uint8Array, entries: readonly Descriptor[], what: string): string {
  const parsed = parseIndex(existing, what)
  if (parsed.mediaType !== undefined && !isIndexType(parsed.mediaType))
    throw new OssbError('ERR_OSSB_IMAGE_INVALID', `Cannot add to ${what}: it is not an index`)
  const raw = JSON.parse(Buffer.from(existing).toString()) as { manifests?: readonly object[] | null }
  const replaced = (at: number) => {
    const old = parsed.manifests[at]
    return entries.some(
      (entry) =>
        old?.annotations?.[REF_NAME] === entry.annotations?.[REF_NAME] &&
        (old?.annotations?.[REF_NAME] !== undefined || old?.digest === entry.digest),
    )
  }
  const kept = (raw.manifests ?? []).filter((_, at) => !replaced(at))
  return JSON.stringify({ ...raw, manifests: [...kept, ...entries] })
}
