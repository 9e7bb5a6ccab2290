import { blobArchive } from './blob-archive.ts'
import { type Exporter, exportedAs } from './exporter.ts'
import { type ContentOptions, imageContent } from './image-content.ts'
import { createdOf, layoutEntries, serializeLayoutIndex } from './layout-index.ts'
import { describeTarget, type OutputTarget, writeOutput } from './output-file.ts'

export interface OciArchiveOptions extends ContentOptions {
  readonly dest: OutputTarget
  readonly names: readonly string[]
}

/** Writes an OCI layout as one tar file. */
export function createOciArchiveExporter(options: OciArchiveOptions): Exporter {
  return {
    name: 'oci',
    async export(images, job) {
      const content = imageContent(images, options)
      const entries = layoutEntries({ ...content, ...createdOf(images), names: options.names })
      await writeOutput(
        options.dest,
        blobArchive(content, { index: serializeLayoutIndex(entries) }, job),
        job,
      )
      return {
        ...exportedAs(content),
        outputs: [`oci archive ${describeTarget(options.dest)}`],
      }
    },
  }
}
