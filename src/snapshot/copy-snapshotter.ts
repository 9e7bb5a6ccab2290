import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Digest, Job } from '../core/index.ts'
import { removeTree } from '../fs/index.ts'
import type { Layer } from '../oci/index.ts'
import { unpackBase } from './base.ts'
import { baseLayerCount, chainIdOf } from './chain-id.ts'
import { type SnapshotContext, unpackLayer } from './context.ts'
import { copyTree } from './copy-tree.ts'
import type { RootView, Snapshotter, WorkingRoot } from './snapshot.ts'
import { withoutTouched } from './touched.ts'
import { collectTree, walkChanges } from './walk-changes.ts'

/**
 * Snapshots by copies, for where overlayfs can't be had (its upper directory may not lie on another overlay, as a
 * container's own root does). A base is kept; the states of steps live as long as the build.
 */
export function createCopySnapshotter(context: SnapshotContext): Snapshotter {
  const { helper, session } = context
  const states = new Map<Digest, Promise<string>>()

  const stateOf = (layers: readonly Layer[], job: Job): Promise<string> => {
    const chainId = chainIdOf(layers)
    const known = states.get(chainId)
    if (known !== undefined) return known
    const state =
      baseLayerCount(layers) === layers.length ? unpackBase(layers, context, job) : unpackState(layers, job)
    states.set(chainId, state)
    state.catch(() => states.delete(chainId))
    return state
  }

  const unpackState = async (layers: readonly Layer[], job: Job): Promise<string> => {
    const tree = await copyOf(await stateOf(layers.slice(0, -1), job), job)
    for (const layer of layers.slice(-1)) await unpackLayer(layer, tree, context, job)
    return tree
  }

  const copyOf = async (tree: string, job: Job): Promise<string> => {
    const copy = join(context.workspace.directory(), 'fs')
    mkdirSync(copy)
    await copyTree(tree, copy, context, job)
    return copy
  }

  const view = async (layers: readonly Layer[], job: Job): Promise<RootView> => ({
    rootfs: await stateOf(layers, job),
    [Symbol.asyncDispose]: async () => {},
  })

  const prepare = async (layers: readonly Layer[], job: Job): Promise<WorkingRoot> => {
    const before = await stateOf(layers, job)
    const now = await copyOf(before, job)
    const entries = await collectTree(now, helper, job)
    let kept = false
    return {
      rootfs: now,
      changes: (reader) => {
        const differences = walkChanges({ now, before, entries }, helper, session, reader)
        return withoutTouched(differences, now, session, reader)
      },
      commit: (layer) => {
        kept = true
        states.set(chainIdOf([...layers, layer]), Promise.resolve(now))
        return Promise.resolve()
      },
      [Symbol.asyncDispose]: async () => {
        if (!kept) removeTree(now)
      },
    }
  }

  return { name: 'copy', view, prepare }
}
