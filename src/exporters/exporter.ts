import type { Descriptor, Digest, Job } from '../core/index.ts'
import type { Image } from '../oci/index.ts'

export interface ExportResult {
  /** The manifest, or the index where there are several images; also for outputs that do not write one. */
  readonly descriptor: Descriptor
  /** The config of the image (of the first one, where there are several). */
  readonly configDigest: Digest
  /** What was written, for people: "oci layout ./out", "registry localhost:5000/app:1". */
  readonly outputs: readonly string[]
}

/** Brings finished images to a destination. An export that fails leaves what the destination held before. */
export interface Exporter {
  readonly name: string
  export(images: readonly Image[], job: Job): Promise<ExportResult>
}
