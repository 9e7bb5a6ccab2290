import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Job } from '../core/index.ts'
import { removeTree } from '../fs/index.ts'
import type { NativeHelper } from '../native/index.ts'
import type { StorePaths } from '../store/index.ts'
import { blobsIn, keptByImages, type PruneOutcome, sizeOf, sum, treeBytes } from './contents.ts'
import { type CompressedForm, compressedForms, readForms } from './compressed-forms.ts'
import { readRecord, type StepRecord } from './step-cache.ts'

/** What of a cache directory is made, or fetched, again when it is missing. */
export type CacheKind = 'steps' | 'snapshots' | 'downloads' | 'mounts'

export const CACHE_KINDS: readonly CacheKind[] = ['steps', 'snapshots', 'downloads', 'mounts']

/** Which of it is to go: all that fits, and of that only what is needed to come to `keepBytes`. */
export interface PruneChoice {
  readonly kinds: readonly CacheKind[]
  /** Not used for so long, in milliseconds. */
  readonly olderThanMs?: number
  /** The least recently used goes first, until the directory is no larger. */
  readonly keepBytes?: number
  readonly now: number
}

interface Item {
  readonly kind: CacheKind
  readonly path: string
  readonly usedAt: number
  readonly bytes: number
}

/** Removes some of what is in a cache directory that no build uses; content goes with the last result that needs it. */
export async function pruneSome(
  paths: StorePaths,
  choice: PruneChoice,
  helper: NativeHelper,
  job: Job,
): Promise<PruneOutcome> {
  const items = [...(await itemsIn(paths, helper, job))].sort((a, b) => a.usedAt - b.usedAt)
  const fitting = items.filter(
    ({ kind, usedAt }) =>
      choice.kinds.includes(kind) &&
      (choice.olderThanMs === undefined || choice.now - usedAt > choice.olderThanMs),
  )
  const content = createContentUse(paths)
  const outcome = { bytes: 0, blobs: 0, snapshots: 0, steps: 0 }
  let left = sum(items.map(({ bytes }) => bytes)) + sum(blobsIn(paths).map(sizeOf))
  for (const item of fitting) {
    if (choice.keepBytes !== undefined && left <= choice.keepBytes) break
    const unused = item.kind === 'steps' ? content.release(item.path) : []
    const bytes = item.bytes + sum(unused.map(sizeOf))
    for (const path of [item.path, ...unused]) removeTree(path)
    left -= bytes
    outcome.bytes += bytes
    outcome.blobs += unused.length
    if (item.kind === 'snapshots') outcome.snapshots += 1
    if (item.kind === 'steps') outcome.steps += 1
  }
  forgetForms(paths)
  return outcome
}

/** What is known of compressed layers goes when the last of them is gone. */
function forgetForms(paths: StorePaths): void {
  for (const name of existsSync(paths.forms) ? readdirSync(paths.forms) : []) {
    const path = join(paths.forms, name)
    const isHere = ({ descriptor }: CompressedForm) => existsSync(paths.blob(descriptor.digest))
    if (!Object.values(readForms(path)).some(isHere)) removeTree(path)
  }
}

async function itemsIn(paths: StorePaths, helper: NativeHelper, job: Job): Promise<readonly Item[]> {
  const items: Item[] = []
  for (const kind of CACHE_KINDS)
    for (const name of existsSync(paths[kind]) ? readdirSync(paths[kind]) : []) {
      const path = join(paths[kind], name)
      const stats = statSync(path, { throwIfNoEntry: false })
      if (stats === undefined || name.endsWith('.lock')) continue
      const bytes = stats.isDirectory() ? await treeBytes(path, helper, job) : stats.size
      items.push({ kind, path, usedAt: stats.mtimeMs, bytes })
    }
  return items
}

/** A layer as it was made, or came, and what it was compressed as. */
function contentOf(
  { diffId, descriptor }: StepRecord['layers'][number],
  paths: StorePaths,
): readonly string[] {
  const forms = Object.values(compressedForms(paths, diffId))
  return [descriptor, ...forms.map((form) => form.descriptor)].map(({ digest }) => paths.blob(digest))
}

/** Which files of content the results need, and who needs each. */
function createContentUse(paths: StorePaths): { release(step: string): readonly string[] } {
  const users = new Map<string, number>([...keptByImages(paths)].map((path) => [path, 1]))
  const needs = new Map<string, readonly string[]>()
  for (const name of existsSync(paths.steps) ? readdirSync(paths.steps) : []) {
    const step = join(paths.steps, name)
    const layers = readRecord(step)?.layers ?? []
    const blobs = [...new Set(layers.flatMap((layer) => contentOf(layer, paths)))]
    needs.set(step, blobs)
    for (const blob of blobs) users.set(blob, (users.get(blob) ?? 0) + 1)
  }
  return {
    /** Takes a result away. @returns what nobody needs any more */
    release: (step) =>
      (needs.get(step) ?? []).filter((blob) => {
        const left = (users.get(blob) ?? 1) - 1
        users.set(blob, left)
        return left === 0 && existsSync(blob)
      }),
  }
}
