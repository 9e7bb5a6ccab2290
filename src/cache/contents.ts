import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type Descriptor, type Digest, isIndexType, isManifestType, type Job } from '../core/index.ts'
import { type NativeHelper, walkTree } from '../native/index.ts'
import { parseIndex, parseManifest } from '../oci/index.ts'
import { readLayoutIndex, type StorePaths } from '../store/index.ts'
import { readRecord } from './step-cache.ts'
import { readTally, type Tally } from './tally.ts'

/** What a cache directory holds; sizes in bytes. */
export interface CacheContents {
  readonly blobs: { readonly count: number; readonly bytes: number }
  readonly snapshots: { readonly count: number; readonly bytes: number }
  /** Results of definitions by kind, and keys of contents. */
  readonly steps: { readonly count: number; readonly exec: number; readonly file: number }
  /** What RUN --mount=type=cache keeps. */
  readonly mounts: { readonly count: number; readonly bytes: number }
  /** Since the directory is in use. */
  readonly found: Tally
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
    steps: stepsIn(paths),
    mounts: {
      count: namesIn(paths.mounts).filter((name) => !name.endsWith('.lock')).length,
      bytes: await treeBytes(paths.mounts, helper, job),
    },
    found: readTally(paths),
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

/** The files of all content that images lead to. */
export function keptByImages(paths: StorePaths): ReadonlySet<string> {
  const images = readLayoutIndex(paths.index).manifests
  return new Set(images.flatMap((image) => [...reachable(paths, image).keys()]))
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

export async function treeBytes(directory: string, helper: NativeHelper, job: Job): Promise<number> {
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

function stepsIn({ steps }: StorePaths): CacheContents['steps'] {
  const names = namesIn(steps)
  const kinds = names.map((name) => readRecord(join(steps, name))?.about?.op['kind'])
  const of = (kind: string) => kinds.filter((one) => one === kind).length
  return { count: names.length, exec: of('exec'), file: of('file') }
}

function downloadsIn({ downloads }: StorePaths): CacheContents['downloads'] {
  const files = namesIn(downloads).filter((name) => !name.endsWith('.json'))
  return { count: files.length, bytes: sum(files.map((name) => sizeOf(join(downloads, name)))) }
}

/** The files of all content, and what a build that was killed left among them. */
export function blobsIn({ blobs }: StorePaths): readonly string[] {
  return namesIn(blobs).flatMap((algorithm) =>
    namesIn(join(blobs, algorithm)).map((name) => join(blobs, algorithm, name)),
  )
}

function namesIn(directory: string): readonly string[] {
  return existsSync(directory) ? readdirSync(directory) : []
}

/** What a build takes away in the meantime has no size. */
export function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}

export function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
