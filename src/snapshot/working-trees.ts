import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Digest, Job } from '../core/index.ts'
import { removeTree } from '../fs/index.ts'
import type { Layer } from '../oci/index.ts'
import { baseLayerCount, chainIdOf } from './chain-id.ts'
import { type SnapshotContext, unpackLayer } from './context.ts'
import { copyTree } from './copy-tree.ts'
import type { RootView } from './snapshot.ts'
import type { TreeRecords } from './tree-records.ts'

/** A tree at the state of a stack of layers. */
export interface WorkingTree {
  readonly root: string
  readonly layers: readonly Layer[]
  /** Absent where it was not walked since it came to that state. */
  readonly records?: TreeRecords
}

/** Trees that the steps of a build move on from state to state, in place. */
export interface WorkingTrees {
  /** A tree at a state, for one step alone: what it leaves behind comes back with `rest`, or is removed. */
  take(layers: readonly Layer[], job: Job): Promise<WorkingTree>
  /** Leaves a tree where it is until a step takes it on from there. */
  rest(tree: WorkingTree): void
  /** Shows the state of a stack that is no base; no step gets the tree before the view is disposed of. */
  show(layers: readonly Layer[], job: Job): Promise<RootView>
}

/**
 * A state that a tree has moved on from, or that a step holds, is made again for others: nobody waits. It is made of the
 * tree that is nearest below it, which moves on where nobody reads it and is copied else, or of a copy of the base.
 * @param baseOf the directory of the layers of a base, which is only ever read
 */
export function createWorkingTrees(
  context: SnapshotContext,
  baseOf: (layers: readonly Layer[], job: Job) => Promise<string>,
): WorkingTrees {
  const readers = new Map<WorkingTree, number>()
  const coming = new Map<Digest, Promise<void>>()

  const nearestTo = (layers: readonly Layer[]): WorkingTree | undefined => {
    const inBase = baseLayerCount(layers)
    return [...readers]
      .filter(([tree]) => tree.layers.length >= inBase && leadsTo(tree.layers, layers))
      .sort(([a, left], [b, right]) => b.layers.length - a.layers.length || left - right)
      .map(([tree]) => tree)[0]
  }

  const hold = (tree: WorkingTree): RootView => {
    const change = (by: number) => readers.set(tree, (readers.get(tree) ?? 0) + by)
    let isHeld = true
    change(1)
    return {
      rootfs: tree.root,
      [Symbol.asyncDispose]: async () => {
        if (isHeld) change(-1)
        isHeld = false
      },
    }
  }

  const take = async (layers: readonly Layer[], job: Job): Promise<WorkingTree> => {
    const nearest = nearestTo(layers)
    if (nearest === undefined) {
      const base = layers.slice(0, baseLayerCount(layers))
      return await moveOn({ root: await copyOf(await baseOf(base, job), job), layers: base }, layers, job)
    }
    if (readers.get(nearest) === 0) {
      readers.delete(nearest)
      return await moveOn(nearest, layers, job)
    }
    await using held = hold(nearest)
    return await moveOn({ root: await copyOf(held.rootfs, job), layers: nearest.layers }, layers, job)
  }

  const copyOf = async (root: string, job: Job): Promise<string> => {
    const copy = join(context.workspace.directory(), 'fs')
    mkdirSync(copy)
    await copyTree(root, copy, context, job)
    return copy
  }

  const moveOn = async (tree: WorkingTree, layers: readonly Layer[], job: Job): Promise<WorkingTree> => {
    if (tree.layers.length === layers.length) return tree
    try {
      for (const layer of layers.slice(tree.layers.length)) await unpackLayer(layer, tree.root, context, job)
    } catch (error) {
      removeTree(tree.root)
      throw error
    }
    return { root: tree.root, layers }
  }

  const rest = (tree: WorkingTree): void => {
    readers.set(tree, 0)
  }

  /** Brings a tree to a state, and leaves it there. */
  const bring = (layers: readonly Layer[], job: Job): Promise<void> => {
    const chainId = chainIdOf(layers)
    const known = coming.get(chainId)
    if (known !== undefined) return known
    const arrival = take(layers, job)
      .then(rest)
      .finally(() => coming.delete(chainId))
    coming.set(chainId, arrival)
    return arrival
  }

  const show = async (layers: readonly Layer[], job: Job): Promise<RootView> => {
    for (;;) {
      const tree = nearestTo(layers)
      if (tree?.layers.length === layers.length) return hold(tree)
      // A step may be faster to take it, then it is brought once more.
      await bring(layers, job)
    }
  }

  return { take, rest, show }
}

function leadsTo(below: readonly Layer[], layers: readonly Layer[]): boolean {
  return below.length <= layers.length && below.every(({ diffId }, i) => diffId === layers[i]?.diffId)
}
