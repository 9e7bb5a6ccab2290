import { algorithmOf, type Job, OssbError, toOciLayerType } from '../core/index.ts'
import { createDigestTap } from '../io/index.ts'
import type { Layer } from '../oci/index.ts'
import { LAYER_TYPES, type LayerWriterOptions } from './create-layer.ts'

/**
 * The same files, compressed as the options say: the layer itself where it is so already, or where its bytes are not to be
 * handed on (foreign layers).
 * @throws OssbError ERR_OSSB_INTEGRITY for one whose content is not what its diff_id says
 */
export async function recompressLayer(layer: Layer, options: LayerWriterOptions, job: Job): Promise<Layer> {
  const { store, codec, compression } = options
  const type = toOciLayerType(layer.descriptor.mediaType)
  const wanted = LAYER_TYPES[compression.type]
  if (type === wanted || !Object.values(LAYER_TYPES).includes(type)) return layer
  const tap = createDigestTap(algorithmOf(layer.diffId))
  const tar = tap.through(codec.decompress(await layer.open(job)))
  const descriptor = await store.ingest(wanted, codec.compress(tar, compression), job)
  if (tap.digest() !== layer.diffId)
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
