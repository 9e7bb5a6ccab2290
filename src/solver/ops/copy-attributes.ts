import type { FileEntry, Job } from '../../core/index.ts'
import { fileEntryOf, type Owner, type SourceFile } from '../../fs/index.ts'
import type { FileOperation, FileSession } from '../../native/index.ts'
import { readCapabilities } from './capabilities.ts'
import { applyMode } from './file-mode.ts'

export interface AttributeOptions {
  /** Forced owner of everything; absent keeps that of the source. */
  readonly owner?: Owner
  /** From --chmod. */
  readonly mode?: string
}

/** Gives a copy the owner and the mode of its source, or those that are forced; what is left to do of that. */
export function setAttributes(
  entry: FileEntry,
  to: string,
  { owner, mode }: AttributeOptions,
  session: FileSession,
): readonly FileOperation[] {
  const operations = session.chown(to, owner ?? entry)
  if (entry.type === 'symlink') return operations
  const given = mode === undefined ? entry.mode : applyMode(mode, entry.mode, entry.type === 'directory')
  return [...operations, ...session.chmod(to, given)]
}

/** What a source is to be copied as. */
export async function readSource(
  { hostPath, stats }: SourceFile,
  session: FileSession,
  job: Job,
): Promise<FileEntry> {
  return await session.recorded(fileEntryOf(stats, hostPath, ''), hostPath, job)
}

/** What only the native session can make: devices and fifos. */
export function makeDevice(entry: FileEntry, to: string): FileOperation {
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
  /** Before all others. */
  owner(operations: readonly FileOperation[]): void
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
  const owners: FileOperation[] = []

  const flush = async (job: Job) => {
    if (owners.length > 0) await session.batch(owners.splice(0), job)
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
      return files.size + owners.length
    },
    owner: (operations) => {
      owners.push(...operations)
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
