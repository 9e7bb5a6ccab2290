import { mkdirSync, readdirSync } from 'node:fs'
import { dirname, join, posix, relative } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import type { Job } from '../core/index.ts'
import { lstatIfPresent, removeTree, resolveInRoot } from '../fs/index.ts'
import type { FileOperation, FileOperationResult, FileSession } from '../native/index.ts'
import type { TarHeader } from './tar-header.ts'
import { unpackError } from './unpack-error.ts'

/** How much is handed to the native session at once: operations, and bytes of files. */
const BATCH = 512
const BATCH_BYTES = 256 * 1024

/** Batches that the session has at a time: one that it works on, and one so that it need not wait for the next. */
const QUEUE = 2
/** Entries after which a thread that makes files itself looks whether the session has come to an end of its own. */
const TURN = 64

interface PendingOperation {
  readonly operation: FileOperation
  /** The entry that it makes, for what goes wrong. */
  readonly header?: TarHeader
}

/**
 * A root file system while a layer is applied to it. Paths on the host that it gave stay right until what they lead
 * through is removed or replaced: that is why all removing is done here.
 */
export interface UnpackRoot {
  readonly path: string
  readonly job: Job
  readonly session: FileSession
  /** Where a directory of the archive lies on the host; created where it is missing. `path` is normal, without "/" around it. */
  directory(path: string): string
  /** Says that a directory was made just now, and is not a link. */
  madeDirectory(path: string, hostPath: string): void
  /** Marks what this layer itself wrote: its whiteouts leave it alone. */
  wrote(hostPath: string): void
  /** Makes a file some time before the end, in the place of a file or link; a directory must not be there. */
  create(hostPath: string, header: TarHeader, content: Uint8Array): void
  /** What is to be waited for until a file that `create` makes is there; undefined where there is nothing to wait for. */
  made(hostPath: string): Promise<void> | undefined
  /** Whether a directory is there, or a link that was followed as one: to be cleared before a file is made. */
  isInTheWay(path: string, hostPath: string): boolean
  /** Removes what stands in the place of a new file. */
  clear(hostPath: string): Promise<void>
  /** Removes what lower layers have at a path and below it. */
  removeLower(hostPath: string): Promise<void>
  /** Does operations some time before the end, in their order, and after what was put off before. */
  later(...operations: readonly FileOperation[]): void
  now(operation: FileOperation): Promise<FileOperationResult | undefined>
  /** Whether the session has enough to do, so that a file is made sooner here than there. */
  isBusy(): boolean
  /** What is to be waited for before there is more to do: undefined as long as not too much is put off. */
  backlog(): Promise<void> | undefined
  /** Directories get their times last, when nothing is written into them any more. */
  directoryTime(hostPath: string, mtimeNs: bigint): void
  finish(): Promise<void>
  /** Waits until nothing is done to the root any more, whatever became of it. */
  idle(): Promise<void>
}

export function createUnpackRoot(root: string, session: FileSession, job: Job): UnpackRoot {
  const directories = new Map<string, string>([['', root]])
  const directoryTimes = new Map<string, bigint>()
  // Where nothing was before, there is nothing that a whiteout could remove: no need to know what it has to leave.
  const hasLower = readdirSync(root).length > 0
  /** What this layer wrote, and the directories that lead there. */
  const written = new Set<string>()
  /** Directories that this layer made, where there was nothing before. */
  const made = new Set<string>()
  /** Files that are being made, or will be. */
  const creating = new Set<string>()
  let pending: PendingOperation[] = []
  let pendingBytes = 0
  /** Batches that were handed over, the oldest first, until they are done. */
  const running: Promise<void>[] = []
  let failed: { readonly error: unknown } | undefined
  let sinceTurn = 0

  const perform = async (batch: readonly PendingOperation[]): Promise<void> => {
    const results = await session.batch(
      batch.map(({ operation }) => operation),
      job,
    )
    for (const [at, { operation, header }] of batch.entries()) {
      const result = results[at]
      if (header === undefined || result === undefined) continue
      if (!result.ok) throw unpackError(result.error, header, root)
      creating.delete(operation.path)
    }
  }

  const send = (): void => {
    const batch = perform(pending)
      .catch((error: unknown) => {
        failed ??= { error }
      })
      .finally(() => void running.splice(running.indexOf(batch), 1))
    running.push(batch)
    pending = []
    pendingBytes = 0
  }

  const idle = async (): Promise<void> => {
    await Promise.all(running)
  }

  const check = (): void => {
    if (failed !== undefined) throw failed.error
  }

  const flush = async (): Promise<void> => {
    if (pending.length > 0) send()
    await idle()
    check()
  }

  const isBusy = (): boolean => running.length >= QUEUE && !session.recordsOwners

  const later = (...operations: readonly FileOperation[]): void => {
    for (const operation of operations) pending.push({ operation })
  }

  const directory = (path: string): string => {
    const known = directories.get(path)
    if (known !== undefined) return known
    const host = findDirectory(path)
    directories.set(path, host)
    return host
  }

  /** Below a directory that is known already only its own name is new, and may be a link. */
  const findDirectory = (path: string): string => {
    const parent = posix.dirname(path)
    const host = join(directory(parent === '.' ? '' : parent), posix.basename(path))
    const stats = lstatIfPresent(host)
    if (stats?.isDirectory() === true) return host
    return makeDirectory(stats === undefined ? host : resolveInRoot(root, path, { last: 'follow' }))
  }

  const makeDirectory = (host: string): string => {
    const first = mkdirSync(host, { recursive: true, mode: 0o755 })
    if (first !== undefined) addDirectories(first, host)
    return host
  }

  /** Directories that no archive names are root's, on record too. */
  const addDirectories = (first: string, last: string): void => {
    for (let at = last; !relative(first, at).startsWith('..'); at = dirname(at)) {
      made.add(at)
      if (session.recordsOwners) later(...session.chown(at, { uid: 0, gid: 0 }))
    }
  }

  const clear = async (hostPath: string): Promise<void> => {
    // A path that was resolved before may now lead elsewhere, even out of the root through a new link: all are forgotten.
    await flush()
    directories.clear()
    directories.set('', root)
    for (const path of directoryTimes.keys())
      if (path === hostPath || path.startsWith(`${hostPath}/`)) directoryTimes.delete(path)
    removeTree(hostPath)
  }

  const removeLower = async (hostPath: string): Promise<void> => {
    if (!hasLower) return
    if (!written.has(hostPath)) return await clear(hostPath)
    if (lstatIfPresent(hostPath)?.isDirectory() !== true) return
    for (const name of readdirSync(hostPath)) await removeLower(join(hostPath, name))
  }

  return {
    path: root,
    job,
    session,
    directory,
    madeDirectory: (path, hostPath) => {
      directories.set(path, hostPath)
      made.add(hostPath)
    },
    isInTheWay: (path, hostPath) =>
      directories.has(path) ||
      ((hasLower || made.has(hostPath)) && lstatIfPresent(hostPath)?.isDirectory() === true),
    create: (hostPath, header, content) => {
      const { mode, uid, gid, mtimeNs } = header
      pending.push({
        // What fails is told with the entry's name.
        operation: { type: 'create', path: hostPath, optional: true, mode, uid, gid, mtimeNs, content },
        header,
      })
      pendingBytes += content.length
      creating.add(hostPath)
    },
    made: (hostPath) => (creating.has(hostPath) ? flush() : undefined),
    clear,
    removeLower,
    wrote: (hostPath) => {
      if (!hasLower) return
      for (let at = hostPath; at !== root && !written.has(at); at = dirname(at)) written.add(at)
    },
    later,
    now: async (operation) => {
      await flush()
      const [result] = await session.batch([operation], job)
      return result
    },
    isBusy,
    backlog: () => {
      if (pending.length >= BATCH || pendingBytes >= BATCH_BYTES) {
        send()
        return running.length > QUEUE ? running[0]?.then(check) : undefined
      }
      sinceTurn += 1
      if (running.length < QUEUE || sinceTurn < TURN) return undefined
      sinceTurn = 0
      return setImmediate().then(check)
    },
    idle,
    directoryTime: (hostPath, mtimeNs) => {
      directoryTimes.set(hostPath, mtimeNs)
    },
    finish: async () => {
      for (const [path, mtimeNs] of directoryTimes) later({ type: 'settimes', path, mtimeNs })
      await flush()
    },
  }
}
