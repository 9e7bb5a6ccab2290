import { type Descriptor, type Digest, OssbError, type Platform } from '../core/index.ts'
import {
  assembleImage,
  assembleIndex,
  type Image,
  type ImageDocument,
  type ImageFormat,
  type Layer,
} from '../oci/index.ts'

/** Everything that has to be where the images go. */
export interface ImageContent {
  /** The manifest of the one image, or the index of several. */
  readonly root: Descriptor
  /** Platform and config of the one image; absent for an index. */
  readonly platform?: Platform
  readonly configDigest?: Digest
  /** Each blob once, base layers first. */
  readonly layers: readonly Layer[]
  /** Configs, manifests and the index: what refers to another comes after it. */
  readonly documents: readonly ImageDocument[]
}

/** How the documents of images are written. */
export interface ContentOptions {
  readonly format: ImageFormat
  /** One image gets an index as well. */
  readonly isIndex?: boolean
}

/** One image becomes its manifest, several become an index. */
export function imageContent(
  images: readonly Image[],
  { format, isIndex = false }: ContentOptions,
): ImageContent {
  const assembled = images.map((image) => ({ ...assembleImage(image, { format }), platform: image.platform }))
  const first = assembled[0]
  if (first === undefined) throw new OssbError('ERR_OSSB_INTERNAL', 'Cannot export: there is no image')
  const layers = new Map(
    images.flatMap((image) => image.layers.map((layer) => [layer.descriptor.digest, layer])),
  )
  const shared = { layers: [...layers.values()] }
  const documents = [...assembled.map(({ config }) => config), ...assembled.map(({ manifest }) => manifest)]
  if (assembled.length === 1 && !isIndex) {
    const { config, manifest, platform } = first
    return {
      ...shared,
      documents,
      root: manifest.descriptor,
      platform,
      configDigest: config.descriptor.digest,
    }
  }
  const index = assembleIndex(assembled, { format })
  return { ...shared, documents: [...documents, index], root: index.descriptor }
}
