import type { Codec, Compression } from '../codec/index.ts'
import { algorithmOf, type Job, OssbError, toOciLayerType } from '../core/index.ts'
import { createDigestTap, verified } from '../io/index.ts'
import type { ContentStore, Layer } from '../oci/index.ts'
import { LAYER_TYPES } from './create-layer.ts'

export interface RecompressOptions {
  readonly store: ContentStore
  readonly codec: Codec
  readonly compression: Compression
}

/** Whether the bytes of a layer are a tar, compressed or not, that may be handed on: those of foreign layers are not. */
export function isCompressible(layer: Layer): boolean {
  return Object.values(LAYER_TYPES).includes(toOciLayerType(layer.descriptor.mediaType))
}

/** Whether a layer has the media type that it has when it is compressed in this way. */
export function isCompressedAs({ type }: Compression, { descriptor }: Layer): boolean {
  return toOciLayerType(descriptor.mediaType) === LAYER_TYPES[type]
}

/**
 * The same files, compressed anew, in the store.
 * @throws OssbError ERR_OSSB_INTEGRITY for a layer whose content is not what its diff_id says
 */
export async function recompressLayer(
  layer: Layer,
  { store, codec, compression }: RecompressOptions,
  job: Job,
): Promise<Layer> {
  const tap = createDigestTap(algorithmOf(layer.diffId))
  const packed = await layer.open(job)
  // What a plain layer is called says already what it holds, and it is checked as it is read.
  const isPlain = layer.descriptor.digest === layer.diffId
  const tar = isPlain
    ? verified(packed, layer.descriptor, 'the content store')
    : tap.through(codec.decompress(packed))
  const mediaType = LAYER_TYPES[compression.type]
  const descriptor = await store.ingest(mediaType, codec.compress(tar, compression), job)
  if (!isPlain && tap.digest() !== layer.diffId)
    throw new OssbError(
      'ERR_OSSB_INTEGRITY',
      `Cannot compress layer ${layer.descriptor.digest} anew: it holds ${tap.digest()}, and the image says ${layer.diffId}`,
    )
  const { diffId, created } = layer
  return {
    diffId,
    descriptor,
    ...(created === undefined ? {} : { created }),
    open: (opener) => store.open(descriptor, opener),
  }
}
