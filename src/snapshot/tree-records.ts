import { lstatSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { setTimeout as wait } from 'node:timers/promises'
import type { Job } from '../core/index.ts'
import { createRecordCursor, type NativeHelper, walkRecords } from '../native/index.ts'

/** How a tree was when it was walked. */
export interface TreeRecords {
  /** Records of the helper's walk: those of 150,000 files take 15 MB. */
  readonly bytes: Buffer
  /** The latest change time in them, in nanoseconds. */
  readonly newestChange: bigint
  /** The modification times of directories that were given another one after the walk. */
  readonly directoryTimes: ReadonlyMap<string, bigint>
  /** When nothing of it changed any more, by the clock of performance.now(). */
  readonly readAt: number
}

/** Kernels stamp files with the time of their last clock tick: at most 10 ms ago. */
const CLOCK_TICK_MS = 20
/** Some file systems (ext4 with small inodes) know seconds only. */
const SECOND_NS = 1_000_000_000n
const COARSE_TICK_MS = 1100

/** Nothing changes later than that: what a file's capability was is asked for when it is needed, of the former file. */
const NEVER_NS = 2n ** 63n - 1n

export async function readRecords(root: string, helper: NativeHelper, job: Job): Promise<TreeRecords> {
  const pieces: Buffer[] = []
  const cursor = createRecordCursor(root)
  for await (const piece of walkRecords(helper, root, NEVER_NS, job)) {
    pieces.push(piece)
    cursor.load(piece)
    while (cursor.next());
  }
  const newestChange = cursor.newestChange()
  return { bytes: Buffer.concat(pieces), newestChange, directoryTimes: new Map(), readAt: performance.now() }
}

/**
 * Waits until whatever changes from now on has another change time than anything in the records: no process can set
 * that time, so that a file with the inode and change time of its record is the same, whatever was done to the tree.
 */
export async function outliveTick(root: string, { readAt }: TreeRecords): Promise<void> {
  const isCoarse = lstatSync(root, { bigint: true }).ctimeNs % SECOND_NS === 0n
  const left = readAt + (isCoarse ? COARSE_TICK_MS : CLOCK_TICK_MS) - performance.now()
  if (left > 0) await wait(left)
}
