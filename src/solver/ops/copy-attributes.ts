import { chmodSync, lchownSync } from 'node:fs'
import type { Job } from '../../core/index.ts'
import { type Owner, readFileEntry, type SourceFile } from '../../fs/index.ts'
import type { FileOperation, FileSession } from '../../native/index.ts'
import { readCapabilities } from './capabilities.ts'
import { applyMode } from './file-mode.ts'

export interface AttributeOptions {
  /** Forced owner of everything; absent keeps that of the source. */
  readonly owner?: Owner
  /** From --chmod. */
  readonly mode?: string
}

/** Gives a copy the owner and the mode of its source, or those that are forced. */
export function setAttributes({ stats }: SourceFile, to: string, { owner, mode }: AttributeOptions): void {
  lchownSync(to, owner?.uid ?? Number(stats.uid), owner?.gid ?? Number(stats.gid))
  if (stats.isSymbolicLink()) return
  const current = Number(stats.mode & 0o7777n)
  chmodSync(to, mode === undefined ? current : applyMode(mode, current, stats.isDirectory()))
}

/** What only the native session can make: devices and fifos. */
export function makeDevice(from: string, to: string): FileOperation {
  const entry = readFileEntry(from, '')
  const fileType = entry.type === 'character' || entry.type === 'block' ? entry.type : 'fifo'
  return {
    type: 'mknod',
    path: to,
    fileType,
    mode: entry.mode,
    major: entry.rdevMajor,
    minor: entry.rdevMinor,
  }
}

/** Attributes that are set last and many at once: capabilities of files, and times. */
export interface LateAttributes {
  /** How many files wait for theirs. */
  readonly waiting: number
  file(to: string, from: string, mtimeNs: bigint): void
  /** The time of a directory is only right once nothing is put into it any more. */
  directory(path: string, mtimeNs: bigint): void
  /** Sets those of files. */
  flush(job: Job): Promise<void>
  /** Sets those of files, then those of directories. */
  finish(job: Job): Promise<void>
}

export function createLateAttributes(session: FileSession): LateAttributes {
  // By path, as a file may be replaced by one that is copied after it.
  const files = new Map<string, { readonly from: string; readonly mtimeNs: bigint }>()
  const directories = new Map<string, bigint>()

  const flush = async (job: Job) => {
    const copied = [...files]
    files.clear()
    const capabilities = await readCapabilities(
      copied.map(([, { from }]) => from),
      session,
      job,
    )
    const operations = copied.flatMap(([path, { mtimeNs }], i): FileOperation[] => {
      const time: FileOperation = { type: 'settimes', path, mtimeNs }
      const value = capabilities[i]
      return value === undefined
        ? [time]
        : [{ type: 'setxattr', path, name: 'security.capability', value }, time]
    })
    if (operations.length > 0) await session.batch(operations, job)
  }

  return {
    get waiting() {
      return files.size
    },
    file: (to, from, mtimeNs) => {
      files.set(to, { from, mtimeNs })
    },
    directory: (path, mtimeNs) => {
      directories.set(path, mtimeNs)
    },
    flush,
    finish: async (job) => {
      await flush(job)
      const times = Array.from(
        directories,
        ([path, mtimeNs]): FileOperation => ({ type: 'settimes', path, mtimeNs }),
      )
      directories.clear()
      if (times.length > 0) await session.batch(times, job)
    },
  }
}
