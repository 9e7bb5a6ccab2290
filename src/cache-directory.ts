import { existsSync } from 'node:fs'
import { CACHE_KINDS, cacheContents, pruneCache, verifyCache } from './cache/index.ts'
import type { Job } from './core/index.ts'
import { loadHelper, openFileSession } from './native/index.ts'
import type { CacheInfo, CachePruneOptions, CachePruneResult, CacheVerifyResult } from './options/index.ts'
import { storePaths } from './store/index.ts'

/** What a cache directory holds. */
export async function cacheInfo(cacheDir: string, job: Job): Promise<CacheInfo> {
  const contents = await cacheContents(storePaths(cacheDir), loadHelper(), job)
  const { blobs, snapshots, downloads, mounts } = contents
  const totalBytes = blobs.bytes + snapshots.bytes + downloads.bytes + mounts.bytes
  return { directory: cacheDir, totalBytes, ...contents }
}

/**
 * Empties a cache directory, but for images that were kept by name; with `all` of those too; or removes what is chosen.
 * @throws OssbError ERR_OSSB_CACHE while a build uses it
 */
export async function cachePrune(options: CachePruneOptions, job: Job): Promise<CachePruneResult> {
  const { cacheDir, all, olderThanMs, keepBytes, parts } = options
  const helper = loadHelper()
  await using session = openFileSession(helper)
  const isChosen = olderThanMs !== undefined || keepBytes !== undefined || parts !== undefined
  const some = {
    kinds: parts ?? CACHE_KINDS,
    now: Date.now(),
    ...(olderThanMs === undefined ? {} : { olderThanMs }),
    ...(keepBytes === undefined ? {} : { keepBytes }),
  }
  const choice = { all, ...(isChosen ? { some } : {}) }
  const { bytes, blobs, snapshots, steps } = await pruneCache(
    storePaths(cacheDir),
    choice,
    session,
    helper,
    job,
  )
  return { removedBytes: bytes, removedBlobs: blobs, removedSnapshots: snapshots, removedSteps: steps }
}

/** Reads everything that a cache directory holds; what is damaged is removed. Builds may go on meanwhile. */
export async function cacheVerify(cacheDir: string, job: Job): Promise<CacheVerifyResult> {
  const paths = storePaths(cacheDir)
  if (!existsSync(paths.root)) return { blobs: { count: 0, bytes: 0 }, damaged: [], missing: [] }
  await using session = openFileSession(loadHelper())
  await using _lock = await session.lock(paths.lock, 'shared', { wait: true }, job)
  return await verifyCache(paths, job)
}
