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
  options: AttributeOptions,
  session: FileSession,
): readonly FileOperation[] {
  const operations = session.chown(to, options.owner ?? entry)
  return entry.type === 'symlink' ? operations : [...operations, ...session.chmod(to, modeOf(entry, options))]
}

function modeOf(entry: FileEntry, { mode }: AttributeOptions): number {
  return mode === undefined ? entry.mode : applyMode(mode, entry.mode, entry.type === 'directory')
}

/** A copy of a file with its owner, mode and time, and some content. */
export function creationOf(
  entry: FileEntry,
  to: string,
  content: Uint8Array,
  options: AttributeOptions,
): CreateOperation {
  const { uid, gid } = options.owner ?? entry
  const { mtimeNs } = entry
  return {
    type: 'create',
    path: to,
    optional: true,
    mode: modeOf(entry, options),
    uid,
    gid,
    mtimeNs,
    content,
  }
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

type CreateOperation = Extract<FileOperation, { readonly type: 'create' }>

/** Attributes that are set last and many at once: capabilities of files, and times. */
export interface LateAttributes {
  /** How many files wait for theirs. */
  readonly waiting: number
  file(to: string, from: string, mtimeNs: bigint): void
  /** Makes a copy of `from` beside the caller, before all owners are set; what it can't make is made by `otherwise`. */
  create(operation: CreateOperation, from: string, otherwise: () => Promise<void>): void
  /** Before all others. */
  owner(operations: readonly FileOperation[]): void
  /** The time of a directory is only right once nothing is put into it any more. */
  directory(path: string, mtimeNs: bigint): void
  /** Sets those of files. */
  flush(): Promise<void>
  /** Sets those of files, then those of directories. */
  finish(): Promise<void>
}

/** How many files are made by one request. */
const CREATED_AT_ONCE = 128

interface Creation {
  readonly operation: CreateOperation
  readonly otherwise: () => Promise<void>
}

export function createLateAttributes(session: FileSession, job: Job): LateAttributes {
  // By path, as a file may be replaced by one that is copied after it.
  const files = new Map<string, { readonly from: string; readonly mtimeNs?: bigint }>()
  const directories = new Map<string, bigint>()
  const owners: FileOperation[] = []
  const creations: Creation[] = []
  const underWay: Promise<readonly Creation[]>[] = []

  const send = () => {
    const some = creations.splice(0)
    const operations = some.map(({ operation }) => operation)
    const failed = session
      .batch(operations, job)
      .then((results) => some.filter((_, i) => results[i]?.ok === false))
    failed.catch(() => undefined)
    underWay.push(failed)
  }

  const flush = async () => {
    if (creations.length > 0) send()
    for (const { otherwise } of (await Promise.all(underWay.splice(0))).flat()) await otherwise()
    if (owners.length > 0) await session.batch(owners.splice(0), job)
    const copied = [...files]
    files.clear()
    const capabilities = await readCapabilities(
      copied.map(([, { from }]) => from),
      session,
      job,
    )
    const operations = copied.flatMap(([path, { mtimeNs }], i): FileOperation[] => {
      const value = capabilities[i]
      return [
        ...(value === undefined
          ? []
          : [{ type: 'setxattr', path, name: 'security.capability', value } as const]),
        ...(mtimeNs === undefined ? [] : [{ type: 'settimes', path, mtimeNs } as const]),
      ]
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
    create: (operation, from, otherwise) => {
      files.set(operation.path, { from })
      creations.push({ operation, otherwise })
      if (creations.length >= CREATED_AT_ONCE) send()
    },
    directory: (path, mtimeNs) => {
      directories.set(path, mtimeNs)
    },
    flush,
    finish: async () => {
      await flush()
      const times = Array.from(
        directories,
        ([path, mtimeNs]): FileOperation => ({ type: 'settimes', path, mtimeNs }),
      )
      directories.clear()
      if (times.length > 0) await session.batch(times, job)
    },
  }
}
