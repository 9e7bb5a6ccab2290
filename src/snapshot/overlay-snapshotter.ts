import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Change, type Digest, type Job, OssbError } from '../core/index.ts'
import { readFileEntry, removeTree } from '../fs/index.ts'
import type { Layer } from '../oci/index.ts'
import { keepSnapshot, keptSnapshot, unpackBase } from './base.ts'
import { baseLayerCount, chainIdOf, upperIdOf } from './chain-id.ts'
import { type SnapshotContext, unpackLayer } from './context.ts'
import { overlayChanges, type OverlayTrees } from './overlay-changes.ts'
import type { KeptState, RootView, Snapshotter, WorkingRoot } from './snapshot.ts'
import { withoutTouched } from './touched.ts'

/**
 * Snapshots by overlayfs: a base is one directory, each step's layer the upper directory that the step left behind.
 * Nothing is ever copied to start a step, and its changes are found in its upper directory alone.
 */
export function createOverlaySnapshotter(context: SnapshotContext): Snapshotter {
  /** States that are being unpacked now, so that two steps do not do it twice. */
  const underWay = new Map<Digest, Promise<readonly string[]>>()

  /** The directories of a state, topmost first. */
  const lowersOf = (layers: readonly Layer[], job: Job): Promise<readonly string[]> => {
    const chainId = chainIdOf(layers)
    const known = underWay.get(chainId)
    if (known !== undefined) return known
    const unpacking = unpackState(layers, job)
    underWay.set(chainId, unpacking)
    unpacking.catch(() => underWay.delete(chainId))
    return unpacking
  }

  const unpackState = async (layers: readonly Layer[], job: Job): Promise<readonly string[]> => {
    if (baseLayerCount(layers) === layers.length) return [await unpackBase(layers, context, job)]
    const below = await lowersOf(layers.slice(0, -1), job)
    const kept = keptSnapshot(context, upperIdOf(layers))
    if (kept !== undefined) return [kept, ...below]
    const layer = layers.at(-1)
    if (layer === undefined) return below
    await using overlay = await mountOverlay(context, below, job)
    await unpackLayer(layer, overlay.rootfs, context, job)
    await overlay.unmount()
    return [keepSnapshot(context, upperIdOf(layers), overlay.upper), ...below]
  }

  const view = async (layers: readonly Layer[], job: Job): Promise<RootView> =>
    viewOf(context, await lowersOf(layers, job), job)

  const prepare = async (layers: readonly Layer[], job: Job): Promise<WorkingRoot> => {
    const lowers = await lowersOf(layers, job)
    const overlay = await mountOverlay(context, lowers, job)
    return {
      rootfs: overlay.rootfs,
      changes: (reader) => changesOf(context, overlay, lowers, reader),
      commit: async (layer) => {
        await overlay.unmount()
        keepSnapshot(context, upperIdOf([...layers, layer]), overlay.upper)
      },
      [Symbol.asyncDispose]: () => overlay[Symbol.asyncDispose](),
    }
  }

  const keeps = (layers: readonly Layer[]): boolean =>
    baseLayerCount(layers) < layers.length && keptSnapshot(context, upperIdOf(layers)) !== undefined

  const reopen = async (layers: readonly Layer[], job: Job): Promise<KeptState> => {
    const upper = keptSnapshot(context, upperIdOf(layers))
    if (upper === undefined)
      throw new OssbError(
        'ERR_OSSB_NOT_FOUND',
        `Cannot find the snapshot of layer ${layers.at(-1)?.diffId}: it was removed`,
      )
    const below = await viewOf(context, await lowersOf(layers.slice(0, -1), job), job)
    return {
      rootfs: upper,
      changes: (reader) => recordedChanges(context, { upper, lower: below.rootfs }, reader),
      [Symbol.asyncDispose]: () => below[Symbol.asyncDispose](),
    }
  }

  return { name: 'overlay', view, prepare, keeps, reopen }
}

async function* changesOf(
  context: SnapshotContext,
  { upper, rootfs }: Overlay,
  lowers: readonly string[],
  job: Job,
) {
  const { helper, session } = context
  await using below = await viewOf(context, lowers, job)
  const differences = overlayChanges({ upper, lower: below.rootfs }, helper, session, job)
  yield* withoutTouched(differences, rootfs, session, job)
}

/** Directories of which only the time differed have that of the layers since the changes were first read. */
async function* recordedChanges(
  { helper, session }: SnapshotContext,
  trees: OverlayTrees,
  job: Job,
): AsyncGenerator<Change, void, undefined> {
  for await (const difference of overlayChanges(trees, helper, session, job))
    if (difference.type !== 'touched') yield difference
}

/** Several directories as one to read; a single one is shown as it is. */
async function viewOf(context: SnapshotContext, lowers: readonly string[], job: Job): Promise<RootView> {
  const [only, ...others] = lowers
  if (only !== undefined && others.length === 0)
    return { rootfs: only, [Symbol.asyncDispose]: async () => {} }
  const target = context.workspace.directory()
  const mount = await context.session.mount({ type: 'overlay', target, lower: lowers }, job)
  return {
    rootfs: target,
    [Symbol.asyncDispose]: async () => {
      await mount[Symbol.asyncDispose]()
      removeTree(target)
    },
  }
}

interface Overlay extends RootView {
  readonly upper: string
  unmount(): Promise<void>
}

async function mountOverlay(context: SnapshotContext, lowers: readonly string[], job: Job): Promise<Overlay> {
  const directory = context.workspace.directory()
  const [upper, work, target] = [join(directory, 'upper'), join(directory, 'work'), join(directory, 'root')]
  for (const path of [upper, work, target]) mkdirSync(path)
  await copyRootMetadata(context, lowers[0] ?? '', upper, job)
  const mount = await context.session.mount(
    { type: 'overlay', target, lower: lowers, upper, work, volatile: true },
    job,
  )
  let mounted = true
  const unmount = async () => {
    if (mounted) await mount[Symbol.asyncDispose]()
    mounted = false
  }
  return {
    rootfs: target,
    upper,
    unmount,
    [Symbol.asyncDispose]: async () => {
      await unmount()
      removeTree(directory)
    },
  }
}

/** The root of an overlay is its upper directory: it must look as the root below it does. */
async function copyRootMetadata(
  { session }: SnapshotContext,
  from: string,
  to: string,
  job: Job,
): Promise<void> {
  const entry = await session.recorded(readFileEntry(from, ''), from, job)
  const operations = session.chown(to, entry)
  chmodSync(to, entry.mode)
  await session.batch([...operations, { type: 'settimes', path: to, mtimeNs: entry.mtimeNs }], job)
}
