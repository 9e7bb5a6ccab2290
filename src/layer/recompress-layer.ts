import type { Codec } from '../codec/index.ts'
import { algorithmOf, type Job, OssbError, toOciLayerType } from '../core/index.ts'
import { createDigestTap, verified } from '../io/index.ts'
import type { ContentStore, Layer } from '../oci/index.ts'
import { LAYER_TYPES, type LayerCompression } from './create-layer.ts'
import { createEstargz, TOC_DIGEST } from './estargz.ts'

export interface RecompressOptions {
  readonly store: ContentStore
  readonly codec: Codec
  readonly compression: LayerCompression
  /** Sees the bytes on their way to the store. */
  readonly through?: (chunks: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>
}

/** Whether the bytes of a layer are a tar, compressed or not, that may be handed on: those of foreign layers are not. */
export function isCompressible(layer: Layer): boolean {
  return Object.values(LAYER_TYPES).includes(toOciLayerType(layer.descriptor.mediaType))
}

/** Whether a layer is what it is when it is compressed in this way, as far as its descriptor tells. */
export function isCompressedAs({ type }: LayerCompression, { descriptor }: Layer): boolean {
  if (type === 'estargz' && descriptor.annotations?.[TOC_DIGEST] === undefined) return false
  return toOciLayerType(descriptor.mediaType) === LAYER_TYPES[type]
}

/**
 * The same files, compressed anew, in the store.
 * @throws OssbError ERR_OSSB_INTEGRITY for a layer whose content is not what its diff_id says
 */
export async function recompressLayer(
  layer: Layer,
  { store, codec, compression, through = (chunks) => chunks }: RecompressOptions,
  job: Job,
): Promise<Layer> {
  const tap = createDigestTap(algorithmOf(layer.diffId))
  const packed = await layer.open(job)
  // These copy what they take.
  const reusesChunks = compression.type === 'gzip' || compression.type === 'zstd'
  // What a plain layer is called says already what it holds, and it is checked as it is read.
  const isPlain = layer.descriptor.digest === layer.diffId
  const tar = isPlain
    ? verified(packed, layer.descriptor, 'the content store', { reusesChunks })
    : tap.through(codec.decompress(packed))
  const { chunks, facts } =
    compression.type === 'estargz'
      ? createEstargz(tar, { ...compression, codec })
      : { chunks: codec.compress(tar, compression), facts: undefined }
  const descriptor = await store.ingest(LAYER_TYPES[compression.type], through(chunks), job)
  if (!isPlain && tap.digest() !== layer.diffId)
    throw new OssbError(
      'ERR_OSSB_INTEGRITY',
      `Cannot compress layer ${layer.descriptor.digest} anew: it holds ${tap.digest()}, and the image says ${layer.diffId}`,
    )
  const { created } = layer
  const { diffId = layer.diffId, annotations } = facts?.() ?? {}
  return {
    diffId,
    descriptor: { ...descriptor, ...(annotations === undefined ? {} : { annotations }) },
    ...(created === undefined ? {} : { created }),
    open: (opener) => store.open(descriptor, opener),
  }
}
