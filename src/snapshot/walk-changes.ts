import { join } from 'node:path'
import type { Change, FileEntry, Job } from '../core/index.ts'
import { type FileSession, type NativeHelper, walkTree } from '../native/index.ts'
import { comparePaths, sameContent, sameMetadata } from './compare.ts'
import type { Difference } from './touched.ts'

export interface WalkTrees {
  readonly now: string
  /** The same tree before the changes: what an unchanged file is compared with when its inode was touched. */
  readonly before: string
  /** A walk of `now` from before the changes. */
  readonly entries: readonly FileEntry[]
}

/**
 * What changed in a tree since a walk of it. Inode and change time, which no process can set, tell the files that
 * nobody touched; only what was touched and yet looks the same is read.
 */
export async function* walkChanges(
  trees: WalkTrees,
  helper: NativeHelper,
  session: FileSession,
  job: Job,
): AsyncGenerator<Difference, void, undefined> {
  let at = 0
  /** A directory that is gone or no longer a directory: what was below it goes without saying. */
  let gone: string | undefined
  const isBelowGone = (path: string) => gone !== undefined && path.startsWith(`${gone}/`)
  function* deletionsBefore(path: string | undefined): Generator<Change> {
    for (let old = trees.entries[at]; old !== undefined; old = trees.entries[at]) {
      if (path !== undefined && (old.path === path || comparePaths(old.path, path) > 0)) return
      at += 1
      if (isBelowGone(old.path) || old.type === 'socket') continue
      gone = old.path
      yield { type: 'delete', path: old.path }
    }
  }
  const settledBefore = newestChange(trees.entries) - CLOCK_TICK_NS
  for await (const entries of walkTree(helper, trees.now, job)) {
    for (const entry of entries) {
      // No layer holds a socket: what was in its place before is gone.
      if (entry.type === 'socket') continue
      yield* deletionsBefore(entry.path)
      const candidate = trees.entries[at]
      const old = candidate?.path === entry.path ? candidate : undefined
      if (old !== undefined) at += 1
      if (old?.type === 'directory' && entry.type !== 'directory') gone = entry.path
      if (entry.path === '') continue
      if (old !== undefined && isUntouched(old, entry) && old.ctimeNs < settledBefore) continue
      if (old === undefined || !(await isUnchanged(old, entry, trees, session, job)))
        yield { type: 'upsert', entry }
      else if (old.type === 'directory' && old.mtimeNs !== entry.mtimeNs)
        yield { type: 'touched', path: entry.path, mtimeNs: old.mtimeNs }
    }
  }
  yield* deletionsBefore(undefined)
}

/** Kernels stamp files with the time of their last clock tick: at most 10 ms ago. */
const CLOCK_TICK_NS = 20_000_000n

/** Files that changed last before the walk may change again without showing it, when both fall into one clock tick. */
function newestChange(entries: readonly FileEntry[]): bigint {
  return entries.reduce((newest, { ctimeNs }) => (ctimeNs > newest ? ctimeNs : newest), 0n)
}

function isUntouched(old: FileEntry, entry: FileEntry): boolean {
  return old.ino === entry.ino && old.ctimeNs === entry.ctimeNs && sameMetadata(old, entry)
}

async function isUnchanged(
  old: FileEntry,
  entry: FileEntry,
  trees: WalkTrees,
  session: FileSession,
  job: Job,
): Promise<boolean> {
  if (!sameMetadata(old, entry)) return false
  return await sameContent(entry, join(trees.now, entry.path), join(trees.before, entry.path), session, job)
}

/** All entries of a tree, in order. */
export async function collectTree(
  root: string,
  helper: NativeHelper,
  job: Job,
): Promise<readonly FileEntry[]> {
  const all: FileEntry[] = []
  for await (const entries of walkTree(helper, root, job)) all.push(...entries)
  return all
}
