import { mkdirSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { fileSystemError } from '../core/index.ts'
import { writeFileAtomic } from '../io/index.ts'
import { attestationFiles } from './attestation-files.ts'
import { copyOut } from './copy-out.ts'
import { type Exporter, exportedAs } from './exporter.ts'
import { imageContent } from './image-content.ts'
import { type FilesOptions, withRoots } from './root-file-system.ts'

export interface LocalDirOptions extends FilesOptions {
  /** A directory; created where it is missing. What is in it already stays, unless a file of the image replaces it. */
  readonly dest: string
}

/** Copies the final root file systems into a directory, as files of the user who builds. */
export function createLocalDirExporter(options: LocalDirOptions): Exporter {
  const { dest } = options
  return {
    name: 'local',
    async export(images, job) {
      await withRoots(
        images,
        options,
        async (views) => {
          for (const view of views) {
            const { rootfs, folder, entries } = view
            const statements = await attestationFiles(view, views, job)
            const place = ensureDirectory(join(dest, folder))
            await copyOut(entries(), rootfs, place, job)
            for (const { name, bytes } of statements)
              writeFileAtomic(join(place, name), bytes, { mode: 0o600 })
          }
        },
        job,
      )
      return { ...exportedAs(imageContent(images, { format: 'oci' })), outputs: [`directory ${dest}`] }
    },
  }
}

function ensureDirectory(dest: string): string {
  try {
    mkdirSync(dest, { recursive: true })
    return realpathSync(dest)
  } catch (error) {
    throw fileSystemError(`create the directory "${dest}"`, error)
  }
}
