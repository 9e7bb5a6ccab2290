import {
  type Descriptor,
  digestOf,
  MEDIA_TYPE,
  OssbError,
  toDockerLayerType,
  toOciLayerType,
} from '../core/index.ts'
import type { Image, Layer } from './layer.ts'
import { serializeConfig, serializeDocument } from './serialize.ts'

export type ImageFormat = 'oci' | 'docker'

/** A JSON document of an image, and the descriptor that names its bytes. */
export interface ImageDocument {
  readonly descriptor: Descriptor
  readonly bytes: Uint8Array
}

export interface AssembledImage {
  readonly config: ImageDocument
  readonly manifest: ImageDocument
}

export interface AssembleOptions {
  readonly format: ImageFormat
  /** Annotations of the manifest; Docker's format has none. */
  readonly annotations?: Readonly<Record<string, string>>
}

/**
 * Writes the config and the manifest of an image. All media types are of the family that `format` names, whatever
 * the base image used: the bytes of layers and configs are the same in both. Equal images give equal bytes.
 * @throws OssbError ERR_OSSB_IMAGE_INVALID when layers and diff_ids do not match one to one, ERR_OSSB_USAGE for what
 *   Docker's format cannot say (zstd, annotations)
 */
export function assembleImage(image: Image, options: AssembleOptions): AssembledImage {
  assertLayersMatch(image)
  const docker = options.format === 'docker'
  if (docker && options.annotations !== undefined)
    throw new OssbError('ERR_OSSB_USAGE', 'Cannot write annotations: Docker manifests have none', {
      hint: 'Use the OCI image format.',
    })
  const config = documentOf(
    docker ? MEDIA_TYPE.dockerConfig : MEDIA_TYPE.ociConfig,
    serializeConfig(image.config),
  )
  const mediaType = docker ? MEDIA_TYPE.dockerManifest : MEDIA_TYPE.ociManifest
  const manifest = {
    schemaVersion: 2,
    mediaType,
    config: config.descriptor,
    layers: image.layers.map((layer) => (docker ? dockerLayer(layer) : ociLayer(layer))),
    annotations: options.annotations,
  }
  return { config, manifest: documentOf(mediaType, serializeDocument(manifest)) }
}

/**
 * Writes an index (or Docker's manifest list), in the given order: the first that fits is taken.
 * @throws OssbError ERR_OSSB_USAGE for what Docker's format cannot say
 */
export function assembleIndexOf(manifests: readonly Descriptor[], options: AssembleOptions): ImageDocument {
  const isDocker = options.format === 'docker'
  if (isDocker) assertDockerEntries(manifests, options)
  const mediaType = isDocker ? MEDIA_TYPE.dockerManifestList : MEDIA_TYPE.ociIndex
  return documentOf(
    mediaType,
    serializeDocument({ schemaVersion: 2, mediaType, manifests, annotations: options.annotations }),
  )
}

function assertDockerEntries(manifests: readonly Descriptor[], { annotations }: AssembleOptions): void {
  if (annotations !== undefined)
    throw new OssbError('ERR_OSSB_USAGE', 'Cannot write annotations: Docker manifest lists have none', {
      hint: 'Use the OCI image format.',
    })
  const other = manifests.find(({ mediaType }) => mediaType !== MEDIA_TYPE.dockerManifest)
  if (other !== undefined)
    throw new OssbError(
      'ERR_OSSB_USAGE',
      `Cannot put ${other.digest} into a Docker manifest list: it is of the type "${other.mediaType}"`,
      { hint: 'Build the images with --image-format docker, or use the OCI image format.' },
    )
}

/** A manifest of OCI's form for a config and layers that exist already. */
export function manifestOf(config: Descriptor, layers: readonly Descriptor[]): ImageDocument {
  const mediaType = MEDIA_TYPE.ociManifest
  return documentOf(mediaType, serializeDocument({ schemaVersion: 2, mediaType, config, layers }))
}

function documentOf(mediaType: string, text: string): ImageDocument {
  const bytes = Buffer.from(text)
  return { descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length }, bytes }
}

function assertLayersMatch(image: Image): void {
  const diffIds = image.config.rootfs.diff_ids
  const wrong = image.layers.findIndex((layer, at) => layer.diffId !== diffIds[at])
  if (wrong === -1 && diffIds.length === image.layers.length) return
  const why =
    wrong === -1
      ? `its config names ${diffIds.length} layers and there are ${image.layers.length}`
      : `layer ${wrong + 1} is ${image.layers[wrong]?.diffId} and its config says ${diffIds[wrong] ?? 'nothing'}`
  throw new OssbError('ERR_OSSB_IMAGE_INVALID', `Cannot write the manifest of an image: ${why}`)
}

function ociLayer({ descriptor }: Layer): Descriptor {
  const { digest, size, urls, annotations } = descriptor
  return {
    mediaType: toOciLayerType(descriptor.mediaType),
    digest,
    size,
    ...(urls === undefined ? {} : { urls }),
    ...(annotations === undefined ? {} : { annotations }),
  }
}

function dockerLayer({ descriptor }: Layer): Descriptor {
  const { digest, size, urls } = descriptor
  const mediaType = toDockerLayerType(descriptor.mediaType)
  if (mediaType === undefined)
    throw new OssbError(
      'ERR_OSSB_USAGE',
      `Cannot write layer ${digest} into a Docker image: Docker's format has no name for "${descriptor.mediaType}"`,
      { hint: 'Use gzip or uncompressed layers, or the OCI image format.' },
    )
  return { mediaType, digest, size, ...(urls === undefined ? {} : { urls }) }
}
