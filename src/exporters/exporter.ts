import type { Descriptor, Digest, Job } from '../core/index.ts'
import type { ComingBlob, Image, Layer } from '../oci/index.ts'
import type { ImageContent } from './image-content.ts'

export interface ExportResult {
  /** The manifest, or the index where there are several images; also for outputs that do not write one. */
  readonly descriptor: Descriptor
  /** The config of the one image; absent where `descriptor` is that of an index. */
  readonly configDigest?: Digest
  /** What was written, for people: "oci layout ./out", "registry localhost:5000/app:1". */
  readonly outputs: readonly string[]
}

/** What an exporter tells of the images that it wrote, beside where it put them. */
export function exportedAs({ root, configDigest, annotations }: ImageContent): Omit<ExportResult, 'outputs'> {
  const descriptor = annotations === undefined ? root : { ...root, annotations }
  return { descriptor, ...(configDigest === undefined ? {} : { configDigest }) }
}

/** Brings finished images to a destination. An export that fails leaves what the destination held before. */
export interface Exporter {
  readonly name: string
  export(images: readonly Image[], job: Job): Promise<ExportResult>
  /**
   * Brings a layer there that an image is going to have, while the rest of it is still being built; absent where that
   * would be of no use. What goes wrong is not told: the export brings what is missing. Ends when nothing is on its way.
   */
  ahead?(layer: Layer, job: Job): Promise<void>
  /** The same for a large layer that is still being made; `ahead` is told of it as well once it is. */
  readonly stream?: (layer: ComingBlob, job: Job) => Promise<void>
}
