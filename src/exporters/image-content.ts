import { type Descriptor, type Digest, OssbError, type Platform } from '../core/index.ts'
import {
  type Annotation,
  type AnnotationLevel,
  annotationsOf,
  attestationDocuments,
  assembleImage,
  assembleIndexOf,
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
  /** What an entry that leads to the root says of it. */
  readonly annotations?: Readonly<Record<string, string>>
  /** Configs, manifests and the index: what refers to another comes after it. */
  readonly documents: readonly ImageDocument[]
}

/** How the documents of images are written. */
export interface ContentOptions {
  readonly format: ImageFormat
  /** One image gets an index as well. */
  readonly isIndex?: boolean
  readonly annotations?: readonly Annotation[]
  /** What the images are called, for what is stated about them. */
  readonly names?: readonly string[]
}

/** Whether the images are named by an index. */
export function needsIndex(count: number, { isIndex = false }: ContentOptions): boolean {
  return count > 1 || isIndex
}

/** @throws OssbError ERR_OSSB_USAGE for annotations that have no place: Docker's documents have none, one image no index */
export function checkAnnotations(count: number, options: ContentOptions): void {
  const { annotations = [], format } = options
  if (annotations.length > 0 && format === 'docker')
    throw new OssbError('ERR_OSSB_USAGE', 'Cannot write annotations: Docker manifests have none', {
      hint: 'Use the OCI image format.',
    })
  if (!needsIndex(count, options) && annotations.some(({ level }) => level.startsWith('index')))
    throw new OssbError(
      'ERR_OSSB_USAGE',
      'Cannot write annotations: index annotations not supported for single platform export',
      { hint: 'Build several platforms, or an index of one with --build-arg BUILDKIT_MULTI_PLATFORM=1.' },
    )
}

/** One image becomes its manifest, several become an index. */
export function imageContent(images: readonly Image[], options: ContentOptions): ImageContent {
  const { format, annotations = [], names = [] } = options
  checkAnnotations(images.length, options)
  const assembled = images.map((image) => ({
    ...assembleImage(image, { format, ...annotated(annotations, 'manifest', image.platform) }),
    platform: image.platform,
  }))
  const first = assembled[0]
  if (first === undefined) throw new OssbError('ERR_OSSB_INTERNAL', 'Cannot export: there is no image')
  const layers = new Map(
    images.flatMap((image) => image.layers.map((layer) => [layer.descriptor.digest, layer])),
  )
  const shared = { layers: [...layers.values()] }
  const documents = [...assembled.map(({ config }) => config), ...assembled.map(({ manifest }) => manifest)]
  if (!needsIndex(images.length, options)) {
    const { config, manifest, platform } = first
    return {
      ...shared,
      ...annotated(annotations, 'manifest-descriptor', platform),
      documents,
      root: manifest.descriptor,
      platform,
      configDigest: config.descriptor.digest,
    }
  }
  const entries = assembled.map(({ manifest, platform }) => ({
    ...manifest.descriptor,
    platform,
    ...annotated(annotations, 'manifest-descriptor', platform),
  }))
  const attested = assembled.flatMap(({ manifest, platform }, at) => {
    const { attestations = [] } = images[at] ?? {}
    return attestations.length === 0
      ? []
      : [attestationDocuments({ manifest: manifest.descriptor, platform, attestations }, names)]
  })
  const all = [...entries, ...attested.map(({ entry }) => entry)]
  const index = assembleIndexOf(all, { format, ...annotated(annotations, 'index') })
  return {
    ...shared,
    ...annotated(annotations, 'index-descriptor'),
    documents: [...documents, ...attested.flatMap((one) => one.documents), index],
    root: index.descriptor,
  }
}

function annotated(
  annotations: readonly Annotation[],
  level: AnnotationLevel,
  platform?: Platform,
): { readonly annotations?: Readonly<Record<string, string>> } {
  const own = annotationsOf(annotations, level, platform)
  return own === undefined ? {} : { annotations: own }
}
