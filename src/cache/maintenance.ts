import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Descriptor,
  type Digest,
  isIndexType,
  isManifestType,
  type Job,
  OssbError,
} from '../core/index.ts'
import { removeTree } from '../fs/index.ts'
import { type FileSession, type NativeHelper, walkTree } from '../native/index.ts'
import { parseIndex, parseManifest } from '../oci/index.ts'
import { readLayoutIndex, type StorePaths } from '../store/index.ts'

/** What a cache directory holds; sizes in bytes. */
export interface CacheContents {
  readonly blobs: { readonly count: number; readonly bytes: number }
  readonly snapshots: { readonly count: number; readonly bytes: number }
  readonly steps: { readonly count: number }
  /** Files of ADD from URLs. */
  readonly downloads: { readonly count: number; readonly bytes: number }
  readonly images: readonly { readonly name: string; readonly digest: Digest; readonly bytes: number }[]
}

export async function cacheContents(
  paths: StorePaths,
  helper: NativeHelper,
  job: Job,
): Promise<CacheContents> {
  const blobs = blobsIn(paths)
  return {
    blobs: { count: blobs.length, bytes: sum(blobs.map(sizeOf)) },
    snapshots: {
      count: namesIn(paths.snapshots).length,
      bytes: await treeBytes(paths.snapshots, helper, job),
    },
    steps: { count: namesIn(paths.steps).length },
    downloads: downloadsIn(paths),
    images: readLayoutIndex(paths.index).manifests.map((image) => ({
      name: image.annotations?.['org.opencontainers.image.ref.name'] ?? '',
      digest: image.digest,
      bytes: sum([...reachable(paths, image).values()]),
    })),
  }
}

export interface PruneOutcome {
  readonly bytes: number
  readonly blobs: number
  readonly snapshots: number
  readonly steps: number
}

/**
 * Removes step results, unpacked root file systems, cache mounts, downloads, and the content that no named image needs; with
 * `all` the images too.
 * @throws OssbError ERR_OSSB_CACHE while a build uses the directory
 */
export async function pruneCache(
  paths: StorePaths,
  options: { readonly all: boolean },
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
  const before = await cacheContents(paths, helper, job)
  // What could be found again goes first, so that a prune that is interrupted leaves no result without its content.
  for (const directory of [paths.steps, paths.snapshots, paths.mounts, paths.downloads, paths.work])
    removeTree(directory)
  if (options.all) for (const path of [paths.index, paths.layoutMark]) removeTree(path)
  const kept = new Set(
    readLayoutIndex(paths.index).manifests.flatMap((image) => [...reachable(paths, image).keys()]),
  )
  const orphans = blobsIn(paths).filter((path) => !kept.has(path))
  const orphanBytes = sum(orphans.map(sizeOf))
  for (const path of orphans) removeTree(path)
  return {
    bytes: before.snapshots.bytes + before.downloads.bytes + orphanBytes,
    blobs: orphans.length,
    snapshots: before.snapshots.count,
    steps: before.steps.count,
  }
}

/** Files and sizes of all content that an image or index leads to, as far as it is there. */
function reachable(paths: StorePaths, root: Descriptor): ReadonlyMap<string, number> {
  const found = new Map<string, number>()
  const visit = (content: Descriptor): void => {
    const path = paths.blob(content.digest)
    if (found.has(path) || !existsSync(path)) return
    found.set(path, content.size)
    if (isIndexType(content.mediaType))
      for (const child of parseIndex(readFileSync(path), `"${path}"`).manifests) visit(child)
    else if (isManifestType(content.mediaType)) {
      const { config, layers } = parseManifest(readFileSync(path), `"${path}"`)
      for (const child of [config, ...layers]) visit(child)
    }
  }
  visit(root)
  return found
}

async function treeBytes(directory: string, helper: NativeHelper, job: Job): Promise<number> {
  if (!existsSync(directory)) return 0
  const seen = new Set<bigint>()
  let bytes = 0
  for await (const entries of walkTree(helper, directory, job)) {
    for (const { ino, nlink, size } of entries) {
      if (nlink > 1 && seen.has(ino)) continue
      if (nlink > 1) seen.add(ino)
      bytes += size
    }
  }
  return bytes
}

function downloadsIn({ downloads }: StorePaths): CacheContents['downloads'] {
  const files = namesIn(downloads).filter((name) => !name.endsWith('.json'))
  return { count: files.length, bytes: sum(files.map((name) => sizeOf(join(downloads, name)))) }
}

/** The files of all content, and what a build that was killed left among them. */
function blobsIn({ blobs }: StorePaths): readonly string[] {
  return namesIn(blobs).flatMap((algorithm) =>
    namesIn(join(blobs, algorithm)).map((name) => join(blobs, algorithm, name)),
  )
}

function namesIn(directory: string): readonly string[] {
  return existsSync(directory) ? readdirSync(directory) : []
}

/** What a build takes away in the meantime has no size. */
function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
