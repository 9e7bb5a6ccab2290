import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import type { Change, Digest, FileEntry, Job } from '../core/index.ts'
import { removeTree } from '../fs/index.ts'
import type { Layer } from '../oci/index.ts'
import { unpackBase } from './base.ts'
import { baseLayerCount, chainIdOf } from './chain-id.ts'
import { readCapability } from './compare.ts'
import type { SnapshotContext } from './context.ts'
import { createFormerContent } from './former-content.ts'
import type { RootView, Snapshotter, WorkingRoot } from './snapshot.ts'
import { withoutTouched } from './touched.ts'
import { outliveTick, readRecords, type TreeRecords } from './tree-records.ts'
import { walkChanges } from './walk-changes.ts'
import { createWorkingTrees, type WorkingTree } from './working-trees.ts'

/**
 * Snapshots by copies, for where overlayfs can't be had (its upper directory may not lie on another overlay, as a
 * container's own root does). A base is kept, and never written to; a copy of it moves on from step to step, in place,
 * and what a step changed is found by a walk, which the next one starts from.
 */
export function createCopySnapshotter(context: SnapshotContext): Snapshotter {
  const bases = new Map<Digest, Promise<string>>()

  const baseOf = (layers: readonly Layer[], job: Job): Promise<string> => {
    const chainId = chainIdOf(layers)
    const known = bases.get(chainId)
    if (known !== undefined) return known
    const base = unpackBase(layers, context, job)
    bases.set(chainId, base)
    base.catch(() => bases.delete(chainId))
    return base
  }

  const trees = createWorkingTrees(context, baseOf)
  const former = createFormerContent(context, baseOf)

  const view = async (layers: readonly Layer[], job: Job): Promise<RootView> => {
    if (baseLayerCount(layers) < layers.length) return await trees.show(layers, job)
    return { rootfs: await baseOf(layers, job), [Symbol.asyncDispose]: async () => {} }
  }

  const prepare = async (layers: readonly Layer[], job: Job): Promise<WorkingRoot> => {
    const tree = await trees.take(layers, job)
    try {
      const before = tree.records ?? (await readRecords(tree.root, context.helper, job))
      await outliveTick(tree.root, before)
      return workingRoot(tree, before)
    } catch (error) {
      removeTree(tree.root)
      throw error
    }
  }

  const workingRoot = ({ root, layers }: WorkingTree, before: TreeRecords): WorkingRoot => {
    let after: TreeRecords | undefined
    let isKept = false
    async function* changes(job: Job): AsyncGenerator<Change, void, undefined> {
      const { helper, session } = context
      after = undefined
      const pieces: Buffer[] = []
      let newest = before.newestChange
      const walked = {
        root,
        before,
        hasFormerContent: (entry: FileEntry) => former.isSame(layers, entry, root, job),
        withCapability: async (entry: FileEntry) => {
          const capability = await readCapability(join(root, entry.path), session, job)
          return capability === undefined ? entry : { ...entry, capability }
        },
        walked: (records: Buffer, newestChange: bigint) => {
          pieces.push(records)
          newest = newestChange
        },
      }
      const directoryTimes = yield* withoutTouched(walkChanges(walked, helper, job), root, session, job)
      const bytes = Buffer.concat(pieces)
      after = { bytes, newestChange: newest, directoryTimes, readAt: performance.now() }
    }
    return {
      rootfs: root,
      changes,
      commit: (layer) => {
        isKept = true
        trees.rest({
          root,
          layers: [...layers, layer],
          ...(after === undefined ? {} : { records: after }),
        })
        return Promise.resolve()
      },
      [Symbol.asyncDispose]: async () => {
        // What a step left behind that failed, or was stopped, is nobody's state.
        if (!isKept) removeTree(root)
      },
    }
  }

  return { name: 'copy', view, prepare }
}
