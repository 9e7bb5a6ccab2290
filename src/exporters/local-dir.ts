import { mkdirSync, realpathSync } from 'node:fs'
import { fileSystemError } from '../core/index.ts'
import { copyOut } from './copy-out.ts'
import type { Exporter } from './exporter.ts'
import { imageContent } from './image-content.ts'
import { onlyImage, type RootFileSystems } from './root-file-system.ts'

export interface LocalDirOptions {
  /** A directory; created where it is missing. What is in it already stays, unless a file of the image replaces it. */
  readonly dest: string
  readonly roots: RootFileSystems
}

/** Copies the final root file system into a directory, as files of the user who builds. */
export function createLocalDirExporter({ dest, roots }: LocalDirOptions): Exporter {
  return {
    name: 'local',
    async export(images, job) {
      const image = onlyImage(images, 'directory')
      const target = ensureDirectory(dest)
      await roots.use(image, (rootfs) => copyOut(roots.walk(rootfs, job), rootfs, target, job), job)
      const { root, configDigest } = imageContent(images, 'oci')
      return { descriptor: root, configDigest, outputs: [`directory ${dest}`] }
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
