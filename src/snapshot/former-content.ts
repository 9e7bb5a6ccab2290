import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Digest, FileEntry, Job } from '../core/index.ts'
import { lstatIfPresent, resolveInRoot } from '../fs/index.ts'
import type { Layer } from '../oci/index.ts'
import { baseLayerCount } from './chain-id.ts'
import { sameContent } from './compare.ts'
import { type SnapshotContext, unpackLayer } from './context.ts'

/** Knows what files held in the state of a stack of layers, also when no tree is at that state any more. */
export interface FormerContent {
  /** Whether a file of the tree at `root` holds what it held, and has the capability that it had. */
  isSame(layers: readonly Layer[], entry: FileEntry, root: string, job: Job): Promise<boolean>
}

/**
 * A file held what the topmost layer with it holds. Layers of steps are unpacked for that, each by itself and once, as
 * soon as one of their files may be asked for, which few steps have need of; the base is one directory anyway.
 * @param baseOf the directory of the layers of a base
 */
export function createFormerContent(
  context: SnapshotContext,
  baseOf: (layers: readonly Layer[], job: Job) => Promise<string>,
): FormerContent {
  const unpacked = new Map<Digest, Promise<string>>()

  const contentOf = (layer: Layer, job: Job): Promise<string> => {
    const known = unpacked.get(layer.diffId)
    if (known !== undefined) return known
    const directory = unpackAlone(layer, job)
    unpacked.set(layer.diffId, directory)
    directory.catch(() => unpacked.delete(layer.diffId))
    return directory
  }

  const unpackAlone = async (layer: Layer, job: Job): Promise<string> => {
    const directory = join(context.workspace.directory(), 'fs')
    mkdirSync(directory, { mode: 0o755 })
    await unpackLayer(layer, directory, context, job)
    return directory
  }

  const find = async (layers: readonly Layer[], path: string, job: Job): Promise<string | undefined> => {
    const inBase = baseLayerCount(layers)
    for (const layer of layers.slice(inBase).reverse()) {
      const file = fileIn(await contentOf(layer, job), path)
      if (file !== undefined) return file
    }
    return fileIn(await baseOf(layers.slice(0, inBase), job), path)
  }

  return {
    isSame: async (layers, entry, root, job) => {
      const former = await find(layers, entry.path, job)
      if (former === undefined) return false
      return await sameContent(entry, join(root, entry.path), former, context.session, job)
    },
  }
}

function fileIn(root: string, path: string): string | undefined {
  const file = resolveInRoot(root, path, { last: 'keep' })
  return lstatIfPresent(file)?.isFile() === true ? file : undefined
}
