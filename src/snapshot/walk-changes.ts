import type { Change, FileEntry, Job } from '../core/index.ts'
import { createRecordCursor, type NativeHelper, walkRecords } from '../native/index.ts'
import { comparePaths, sameMetadata } from './compare.ts'
import type { Difference } from './touched.ts'
import type { TreeRecords } from './tree-records.ts'

export interface WalkedTree {
  readonly root: string
  /** A walk of it from before the changes. */
  readonly before: TreeRecords
  /** Whether a file that looks as before, and yet was touched, holds what it held then, capability included. */
  readonly hasFormerContent: (entry: FileEntry) => Promise<boolean>
  /** A file with its capability, which the walk has not looked for. */
  readonly withCapability: (entry: FileEntry) => Promise<FileEntry>
  /** Gets the pieces of the walk from after the changes, and the latest change time so far in nanoseconds. */
  readonly walked: (records: Buffer, newestChange: bigint) => void
}

/**
 * What changed in a tree since a walk of it. Inode and change time, which no process can set, tell the files that
 * nobody touched: their records are the same bytes. Only what was touched and yet looks the same is read.
 */
export async function* walkChanges(
  tree: WalkedTree,
  helper: NativeHelper,
  job: Job,
): AsyncGenerator<Difference, void, undefined> {
  const { root, before } = tree
  const former = createRecordCursor(root)
  const now = createRecordCursor(root)
  /** Made when it is needed: of most records it never is. */
  let formerEntry: FileEntry | undefined
  const old = (): FileEntry => (formerEntry ??= former.entry())
  const nextOld = (): boolean => {
    formerEntry = undefined
    return former.next()
  }
  former.load(before.bytes)
  let hasOld = nextOld()
  /** A directory that is gone or no longer a directory: what was below it goes without saying. */
  let gone: string | undefined
  const isBelowGone = (path: string) => gone !== undefined && path.startsWith(`${gone}/`)
  function* deletionsBefore(path: string | undefined): Generator<Change> {
    for (; hasOld; hasOld = nextOld()) {
      const candidate = old()
      if (path !== undefined && (candidate.path === path || comparePaths(candidate.path, path) > 0)) return
      if (isBelowGone(candidate.path) || candidate.type === 'socket') continue
      gone = candidate.path
      yield { type: 'delete', path: candidate.path }
    }
  }
  for await (const records of walkRecords(helper, root, before.newestChange, job)) {
    now.load(records)
    while (now.next()) {
      if (hasOld && now.equals(former)) {
        hasOld = nextOld()
        continue
      }
      let entry = now.entry()
      // No layer holds a socket: what was in its place before is gone.
      if (entry.type === 'socket') continue
      yield* deletionsBefore(entry.path)
      const known = hasOld && old().path === entry.path ? old() : undefined
      if (known !== undefined) hasOld = nextOld()
      if (known?.type === 'directory' && entry.type !== 'directory') gone = entry.path
      if (entry.path === '') continue
      if (known !== undefined && isUntouched(known, entry)) continue
      // It came here with its directory.
      if (entry.type === 'file' && entry.ctimeNs <= before.newestChange)
        entry = await tree.withCapability(entry)
      if (known === undefined || !(await isUnchanged(known, entry, tree))) yield { type: 'upsert', entry }
      else if (known.type === 'directory') {
        const mtimeNs = before.directoryTimes.get(entry.path) ?? known.mtimeNs
        if (mtimeNs !== entry.mtimeNs) yield { type: 'touched', path: entry.path, mtimeNs }
      }
    }
    tree.walked(records, now.newestChange())
  }
  yield* deletionsBefore(undefined)
}

async function isUnchanged(
  old: FileEntry,
  entry: FileEntry,
  { hasFormerContent }: WalkedTree,
): Promise<boolean> {
  return sameMetadata(old, entry) && (entry.type !== 'file' || (await hasFormerContent(entry)))
}

/** The record of a file that was not touched may still differ, in its capability, when that was not looked for. */
function isUntouched(old: FileEntry, entry: FileEntry): boolean {
  return (
    entry.type === 'file' &&
    old.ino === entry.ino &&
    old.ctimeNs === entry.ctimeNs &&
    sameMetadata(old, entry)
  )
}
