import { type Digest, digestOf } from '../core/index.ts'
import type { Layer } from '../oci/index.ts'

const EMPTY: Digest = digestOf('')

/** The identity of a stack of layers (image-spec config.md#layer-chainid); that of no layers is the digest of nothing. */
export function chainIdOf(layers: readonly Pick<Layer, 'diffId'>[]): Digest {
  return layers
    .slice(1)
    .reduce((chain, layer) => digestOf(`${chain} ${layer.diffId}`), layers[0]?.diffId ?? EMPTY)
}

/** How many layers come from a base image: those that no step of a build made. */
export function baseLayerCount(layers: readonly Layer[]): number {
  const first = layers.findIndex((layer) => layer.created !== undefined)
  return first === -1 ? layers.length : first
}
