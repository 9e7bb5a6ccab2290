import { type Dirent, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { errnoOf, fileSystemError } from '../core/index.ts'
import type { ImageSource } from '../oci/index.ts'
import type { BaseImageDirectory } from '../options/index.ts'
import { createOciLayout } from '../store/index.ts'

/** The images that were put into a directory of base images, but for those that are too old. A missing one is empty. */
export function baseImages({ directory, maxAgeMs }: BaseImageDirectory): readonly ImageSource[] {
  const oldest = Date.now() - maxAgeMs
  return entriesOf(directory)
    .filter((entry) => entry.isDirectory() && /^sha(?:256|512):[0-9a-f]+$/.test(entry.name))
    .map((entry) => join(directory, entry.name))
    .filter((path) => statSync(path).mtimeMs >= oldest)
    .map((path) => createOciLayout(path))
}

function entriesOf(directory: string): readonly Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return []
    throw fileSystemError(`read the directory of base images "${directory}"`, error)
  }
}
