import { resolve } from 'node:path'
import type { Job } from '../core/index.ts'
import type { FileSession } from '../native/index.ts'

/** Runs what reads, changes and writes the index of a layout, while nobody else does. */
export type IndexLock = <T>(task: () => T | Promise<T>, job: Job) => Promise<T>

/** By a lock on a file, or on a directory, that is there for as long as the layout is. */
export function createIndexLock(session: Pick<FileSession, 'lock'>, path: string): IndexLock {
  return async (task, job) => {
    // Whoever keeps the lock has a working directory of its own.
    await using _lock = await session.lock(resolve(path), 'exclusive', { wait: true }, job)
    return await task()
  }
}

/** For a layout that no other process writes to. */
export const withoutLock: IndexLock = async (task) => await task()
