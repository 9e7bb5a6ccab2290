import type { Codec, Compression } from '../codec/index.ts'
import { type Change, type Job, MEDIA_TYPE } from '../core/index.ts'
import { createDigestTap } from '../io/index.ts'
import type { ContentStore, Layer } from '../oci/index.ts'
import { layerTar, type TarOptions } from './write-layer.ts'

export interface LayerWriterOptions extends TarOptions {
  readonly store: ContentStore
  readonly codec: Codec
  readonly compression: Compression
}

/** The media type of a layer, by its compression. */
export const LAYER_TYPES: Readonly<Record<Compression['type'], string>> = {
  gzip: MEDIA_TYPE.ociLayerGzip,
  zstd: MEDIA_TYPE.ociLayerZstd,
  uncompressed: MEDIA_TYPE.ociLayer,
}

/** Freezes changes into a layer in the store: tree → tar → diff_id → compressor → digest → file, in one pass. */
export async function createLayer(
  changes: AsyncIterable<Change>,
  rootfs: string,
  created: string,
  options: LayerWriterOptions,
  job: Job,
): Promise<Layer> {
  const tap = createDigestTap()
  const tar = tap.through(layerTar(changes, rootfs, options, job))
  const descriptor = await options.store.ingest(
    LAYER_TYPES[options.compression.type],
    options.codec.compress(tar, options.compression),
    job,
  )
  return {
    diffId: tap.digest(),
    descriptor,
    created,
    open: (opener) => options.store.open(descriptor, opener),
  }
}
