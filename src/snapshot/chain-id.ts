import { type Digest, digestOf } from '../core/index.ts'
import type { Layer } from '../oci/index.ts'

const EMPTY: Digest = digestOf('')

/** The identity of a stack of layers (image-spec config.md#layer-chainid); that of no layers is the digest of nothing. */
export function chainIdOf(layers: readonly Pick<Layer, 'diffId'>[]): Digest {
  return layers
    .slice(1)
    .reduce((chain, layer) => digestOf(`${chain} ${layer.diffId}`), layers[0]?.diffId ?? EMPTY)
}

/**
 * Names what the topmost layer of a stack changes in the directories below it, for where that is kept by itself. Not
 * the chain's own name: the same stack may also be a base image, which is kept as one whole tree.
 */
export function upperIdOf(layers: readonly Pick<Layer, 'diffId'>[]): Digest {
  return digestOf(`upper ${chainIdOf(layers)}`)
}

/** How many layers come from a base image: those that no step of a build made. */
export function baseLayerCount(layers: readonly Layer[]): number {
  const first = layers.findIndex((layer) => layer.created !== undefined)
  return first === -1 ? layers.length : first
}
