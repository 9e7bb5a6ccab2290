import type { Change, FileEntry } from '../core/index.ts'
import { layerTar } from '../layer/index.ts'
import type { Exporter } from './exporter.ts'
import { imageContent } from './image-content.ts'
import { describeTarget, type OutputTarget, writeOutput } from './output-file.ts'
import { onlyImage, type RootFileSystems } from './root-file-system.ts'

export interface RootfsTarOptions {
  readonly dest: OutputTarget
  readonly roots: RootFileSystems
}

/** Writes the final root file system as one tar, with owners, modes and times as in the image. */
export function createRootfsTarExporter({ dest, roots }: RootfsTarOptions): Exporter {
  return {
    name: 'tar',
    async export(images, job) {
      const image = onlyImage(images, 'tar')
      await roots.use(
        image,
        (rootfs) => writeOutput(dest, layerTar(upserts(roots.walk(rootfs, job)), rootfs, {}, job), job),
        job,
      )
      const { root, configDigest } = imageContent(images, 'oci')
      return { descriptor: root, configDigest, outputs: [`tar ${describeTarget(dest)}`] }
    },
  }
}

async function* upserts(entries: AsyncIterable<FileEntry>): AsyncGenerator<Change, void, undefined> {
  for await (const entry of entries) yield { type: 'upsert', entry }
}
