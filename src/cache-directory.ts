import { cacheContents, pruneCache } from './cache/index.ts'
import type { Job } from './core/index.ts'
import { loadHelper, openFileSession } from './native/index.ts'
import type { CacheInfo, CachePruneOptions, CachePruneResult } from './options.ts'
import { storePaths } from './store/index.ts'

/** What a cache directory holds. */
export async function cacheInfo(cacheDir: string, job: Job): Promise<CacheInfo> {
  const contents = await cacheContents(storePaths(cacheDir), loadHelper(), job)
  const { blobs, snapshots, downloads } = contents
  return { directory: cacheDir, totalBytes: blobs.bytes + snapshots.bytes + downloads.bytes, ...contents }
}

/**
 * Empties a cache directory, but for images that were kept by name; with `all` of those too.
 * @throws OssbError ERR_OSSB_CACHE while a build uses it
 */
export async function cachePrune({ cacheDir, all }: CachePruneOptions, job: Job): Promise<CachePruneResult> {
  const helper = loadHelper()
  await using session = openFileSession(helper)
  const { bytes, blobs, snapshots, steps } = await pruneCache(
    storePaths(cacheDir),
    { all },
    session,
    helper,
    job,
  )
  return { removedBytes: bytes, removedBlobs: blobs, removedSnapshots: snapshots, removedSteps: steps }
}
