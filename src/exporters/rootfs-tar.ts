import { join } from 'node:path'
import type { Change, Job } from '../core/index.ts'
import { encodeTarHeader, layerTar, paddingOf, ROOT_FILE, TAR_END } from '../layer/index.ts'
import { attestationFiles } from './attestation-files.ts'
import { type Exporter, exportedAs } from './exporter.ts'
import { imageContent } from './image-content.ts'
import { describeTarget, type OutputTarget, writeOutput } from './output-file.ts'
import { type FilesOptions, type RootView, withRoots } from './root-file-system.ts'

export interface RootfsTarOptions extends FilesOptions {
  readonly dest: OutputTarget
}

/** Writes the final root file systems as one tar, with owners, modes and times as in the images. */
export function createRootfsTarExporter(options: RootfsTarOptions): Exporter {
  const { dest } = options
  return {
    name: 'tar',
    async export(images, job) {
      await withRoots(images, options, (views) => writeOutput(dest, tarOf(views, job), job), job)
      const exported = exportedAs(imageContent(images, { format: 'oci' }))
      return { ...exported, outputs: [`tar ${describeTarget(dest)}`] }
    },
  }
}

async function* tarOf(views: readonly RootView[], job: Job): AsyncGenerator<Uint8Array, void, undefined> {
  const written = new Set<string>()
  for (const view of views) {
    const statements = await attestationFiles(view, views, job)
    const options = { folder: view.folder, end: 'open' } as const
    yield* layerTar(upserts(view, written), view.rootfs, options, job)
    for (const { name, bytes } of statements) {
      yield encodeTarHeader({ ...ROOT_FILE, mode: 0o600, path: join(view.folder, name), size: bytes.length })
      yield Buffer.concat([bytes, Buffer.alloc(paddingOf(bytes.length))])
    }
  }
  yield TAR_END
}

/** Two roots in one place may share directories, of which a tar needs one. */
async function* upserts(
  { folder, entries }: RootView,
  written: Set<string>,
): AsyncGenerator<Change, void, undefined> {
  for await (const entry of entries()) {
    const isShared = folder === '' && entry.type === 'directory' && written.has(entry.path)
    written.add(entry.path)
    if (!isShared) yield { type: 'upsert', entry }
  }
}
