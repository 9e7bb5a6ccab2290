import type { ImageFormat } from '../oci/index.ts'
import { blobArchive } from './blob-archive.ts'
import type { Exporter } from './exporter.ts'
import { imageContent } from './image-content.ts'
import { createdOf, layoutEntries, serializeLayoutIndex } from './layout-index.ts'
import { describeTarget, type OutputTarget, writeOutput } from './output-file.ts'

export interface OciArchiveOptions {
  readonly dest: OutputTarget
  readonly names: readonly string[]
  readonly format: ImageFormat
}

/** Writes an OCI layout as one tar file. */
export function createOciArchiveExporter(options: OciArchiveOptions): Exporter {
  return {
    name: 'oci',
    async export(images, job) {
      const content = imageContent(images, options.format)
      const entries = layoutEntries({ ...content, ...createdOf(images), names: options.names })
      await writeOutput(
        options.dest,
        blobArchive(content, { index: serializeLayoutIndex(entries) }, job),
        job,
      )
      return {
        descriptor: content.root,
        configDigest: content.configDigest,
        outputs: [`oci archive ${describeTarget(options.dest)}`],
      }
    },
  }
}
