import { existsSync } from 'node:fs'
import { type Job, OssbError } from '../core/index.ts'
import { removeTree } from '../fs/index.ts'
import type { FileSession, NativeHelper } from '../native/index.ts'
import type { StorePaths } from '../store/index.ts'
import { blobsIn, cacheContents, keptByImages, type PruneOutcome, sizeOf, sum } from './contents.ts'
import { type PruneChoice, pruneSome } from './prune-cache.ts'
import { removeUnfinished } from './verify-cache.ts'

/**
 * Removes step results, unpacked root file systems, cache mounts, downloads, and the content that no named image needs; with
 * `all` the images too; with `some` only what that chooses.
 * @throws OssbError ERR_OSSB_CACHE while a build uses the directory
 */
export async function pruneCache(
  paths: StorePaths,
  options: { readonly all: boolean; readonly some?: PruneChoice },
  session: FileSession,
  helper: NativeHelper,
  job: Job,
): Promise<PruneOutcome> {
  if (!existsSync(paths.root)) return { bytes: 0, blobs: 0, snapshots: 0, steps: 0 }
  await using lock = await session.lock(paths.lock, 'exclusive', { wait: false }, job)
  if (lock === undefined) {
    throw new OssbError('ERR_OSSB_CACHE', `Cannot prune "${paths.root}": a build is using it`, {
      hint: 'Try again when the build has ended.',
    })
  }
  removeUnfinished(paths)
  if (options.some !== undefined) return await pruneSome(paths, options.some, helper, job)
  const before = await cacheContents(paths, helper, job)
  // What could be found again goes first, so that a prune that is interrupted leaves no result without its content.
  const { steps, forms, snapshots, mounts, downloads, work, tally } = paths
  for (const path of [steps, forms, snapshots, mounts, downloads, work, tally]) removeTree(path)
  if (options.all) for (const path of [paths.index, paths.layoutMark]) removeTree(path)
  const kept = keptByImages(paths)
  const orphans = blobsIn(paths).filter((path) => !kept.has(path))
  const orphanBytes = sum(orphans.map(sizeOf))
  for (const path of orphans) removeTree(path)
  return {
    bytes: before.snapshots.bytes + before.downloads.bytes + before.mounts.bytes + orphanBytes,
    blobs: orphans.length,
    snapshots: before.snapshots.count,
    steps: before.steps.count,
  }
}
