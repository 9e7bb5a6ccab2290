import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { type Digest, errnoOf, type Job } from '../core/index.ts'
import { removeTree } from '../fs/index.ts'
import type { Arrival, Layer } from '../oci/index.ts'
import { chainIdOf } from './chain-id.ts'
import { isUnreadable, type SnapshotContext, unpackLayer } from './context.ts'

/**
 * The directory of a kept snapshot's files, or undefined. Snapshots are never synced to the disk, so those of an
 * earlier boot may have lost bytes in a crash: they are not used, and made again from their layers.
 */
export function keptSnapshot(context: SnapshotContext, id: Digest): string | undefined {
  const path = placeOf(context, id)
  if (readIfPresent(join(path, 'boot')) === bootId()) return join(path, 'fs')
  discard(context, path)
  return undefined
}

/** Trees with their owners on record, and trees that their owners own, are of no use to each other. */
function placeOf({ paths, session }: SnapshotContext, id: Digest): string {
  return `${paths.snapshot(id)}${session.treeSuffix}`
}

function discard(context: SnapshotContext, path: string): void {
  const grave = join(context.workspace.directory(), 'old')
  try {
    renameSync(path, grave)
  } catch (error) {
    // There is none, or another build was faster.
    if (errnoOf(error) === 'ENOENT') return
    throw error
  }
  removeTree(grave)
}

/**
 * Moves a finished tree to its place among the snapshots. Another build may have been first: then both hold the same
 * content, and the one that is there stays.
 */
export function keepSnapshot(context: SnapshotContext, id: Digest, tree: string): string {
  const holder = context.workspace.directory()
  renameSync(tree, join(holder, 'fs'))
  writeFileSync(join(holder, 'boot'), bootId())
  mkdirSync(context.paths.snapshots, { recursive: true })
  try {
    renameSync(holder, placeOf(context, id))
  } catch (error) {
    if (errnoOf(error) !== 'ENOTEMPTY' && errnoOf(error) !== 'EEXIST') throw error
    context.workspace.discard(holder)
  }
  return join(placeOf(context, id), 'fs')
}

/** Names the time since the machine was started (proc_sys_kernel(5)). */
function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
}

function readIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}

/** The layers of a base image as one directory: unpacked once, then kept. */
export async function unpackBase(
  layers: readonly Layer[],
  context: SnapshotContext,
  job: Job,
): Promise<string> {
  const chainId = chainIdOf(layers)
  const kept = keptSnapshot(context, chainId)
  if (kept !== undefined) return kept
  const tree = join(context.workspace.directory(), 'fs')
  mkdirSync(tree, { mode: 0o755 })
  const failure = new AbortController()
  const fetcher: Job = {
    signal: AbortSignal.any([job.signal, failure.signal]),
    emit: (event) => job.emit(event),
  }
  const first = await layers[0]?.follow?.(fetcher)
  // All layers come at once; they are unpacked in their order: the first one as it comes, each other as soon as it is here.
  const arrivals = layers.map(
    (layer, i) => (i === 0 ? first?.whole : undefined) ?? layer.fetch?.(fetcher) ?? Promise.resolve(),
  )
  const settled = Promise.allSettled(arrivals)
  try {
    for (const [i, layer] of layers.entries()) {
      if (i === 0 && first !== undefined && (await unpackArriving(layer, first, { tree, context }, job)))
        continue
      await arrivals[i]
      await unpackLayer(layer, tree, context, job)
    }
  } catch (error) {
    failure.abort(error)
    throw error
  } finally {
    await settled
  }
  return keepSnapshot(context, chainId, tree)
}

/**
 * Unpacks a layer onto an empty tree while it comes. What came may have been damaged, and was right when it was asked
 * for again.
 * @returns whether it was right at once; else the tree is empty again, and the layer is here
 */
async function unpackArriving(
  layer: Layer,
  { bytes, whole }: Arrival,
  { tree, context }: { readonly tree: string; readonly context: SnapshotContext },
  job: Job,
): Promise<boolean> {
  // Nobody is told that it is unreadable as long as it may be right in the end.
  const { diffId, descriptor } = layer
  const open = () => Promise.resolve(Readable.from(bytes, { objectMode: false }))
  try {
    await unpackLayer({ diffId, descriptor, open }, tree, context, job)
    return true
  } catch (error) {
    if (!isUnreadable(error)) throw error
    await whole
    removeTree(tree)
    mkdirSync(tree, { mode: 0o755 })
    return false
  }
}
