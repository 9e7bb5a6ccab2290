import { createReadStream, existsSync, readdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { algorithmOf, createDigester, type Digest, isDigest, type Job } from '../core/index.ts'
import { removeTree } from '../fs/index.ts'
import { isTemporary } from '../io/index.ts'
import { readLayoutIndex, type StorePaths } from '../store/index.ts'

export interface VerifyOutcome {
  readonly blobs: { readonly count: number; readonly bytes: number }
  /** Content that is not what its name says. It was removed: what needs it is fetched, or made, again. */
  readonly damaged: readonly Digest[]
  /** Names of images whose manifests are not there. */
  readonly missing: readonly string[]
}

/** Reads all content of a cache directory and removes what is damaged. Builds may run meanwhile. */
export async function verifyCache(paths: StorePaths, job: Job): Promise<VerifyOutcome> {
  const damaged: Digest[] = []
  let [count, bytes] = [0, 0]
  for (const path of filesIn(paths.blobs)) {
    const digest = `${basename(dirname(path))}:${basename(path)}`
    if (!isDigest(digest)) continue
    const size = await sizeIfSound(path, digest, job)
    count += 1
    bytes += size ?? 0
    if (size !== undefined) continue
    damaged.push(digest)
    removeTree(path)
  }
  const missing = readLayoutIndex(paths.index).manifests.flatMap(({ digest, annotations }) =>
    existsSync(paths.blob(digest)) ? [] : [annotations?.['org.opencontainers.image.ref.name'] ?? digest],
  )
  return { blobs: { count, bytes }, damaged, missing }
}

/** Undefined where the bytes are not what the digest says. */
async function sizeIfSound(path: string, digest: Digest, job: Job): Promise<number | undefined> {
  const digester = createDigester(algorithmOf(digest))
  let size = 0
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) {
    job.signal.throwIfAborted()
    digester.update(chunk as Buffer)
    size += (chunk as Buffer).length
  }
  return digester.digest() === digest ? size : undefined
}

/**
 * Removes what builds that were killed have left half written. Only for one who knows that nobody else writes.
 * @returns how many files there were
 */
export function removeUnfinished(paths: StorePaths): number {
  const left = [
    ...filesIn(paths.blobs),
    ...filesIn(paths.steps),
    ...filesIn(paths.forms),
    ...filesIn(paths.downloads),
    ...filesIn(paths.root, 0),
  ].filter((path) => isTemporary(path))
  for (const path of left) removeTree(path)
  return left.length
}

function filesIn(directory: string, depth = 1): readonly string[] {
  if (!existsSync(directory)) return []
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) return depth === 0 ? [] : filesIn(path, depth - 1)
    return [path]
  })
}
