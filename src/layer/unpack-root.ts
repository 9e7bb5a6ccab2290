import { mkdirSync, readdirSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import type { Job } from '../core/index.ts'
import { lstatIfPresent, type Owner, removeTree, resolveInRoot } from '../fs/index.ts'
import type { FileOperation, FileOperationResult, FileSession } from '../native/index.ts'

/** How many operations are handed to the native session at once. */
const BATCH = 512

/**
 * A root file system while a layer is applied to it. Paths on the host that it gave stay right until what they lead
 * through is removed or replaced: that is why all removing is done here.
 */
export interface UnpackRoot {
  readonly path: string
  readonly job: Job
  /** Where a directory of the archive lies on the host; created where it is missing. */
  directory(path: string): string
  /** Marks what this layer itself wrote: its whiteouts leave it alone. */
  wrote(hostPath: string): void
  /** Removes what stands in the place of a new file. */
  clear(hostPath: string): Promise<void>
  /** Removes what lower layers have at a path and below it. */
  removeLower(hostPath: string): Promise<void>
  /** Gives a file to an owner. Its mode is to be set afterwards. */
  chown(hostPath: string, owner: Owner): Promise<void>
  chmod(hostPath: string, mode: number): Promise<void>
  /** Does an operation some time before the end, together with others. */
  later(operation: FileOperation): Promise<void>
  now(operation: FileOperation): Promise<FileOperationResult | undefined>
  /** Directories get their times last, when nothing is written into them any more. */
  directoryTime(hostPath: string, mtimeNs: bigint): void
  finish(): Promise<void>
}

export function createUnpackRoot(root: string, session: FileSession, job: Job): UnpackRoot {
  const directories = new Map<string, string>()
  const directoryTimes = new Map<string, bigint>()
  /** What this layer wrote, and the directories that lead there. */
  const written = new Set<string>()
  const pending: FileOperation[] = []

  const flush = async () => {
    if (pending.length > 0) await session.batch(pending.splice(0), job)
  }

  const directory = (path: string): string => {
    const known = directories.get(path)
    if (known !== undefined) return known
    const host = resolveInRoot(root, path, { last: 'follow' })
    const made = mkdirSync(host, { recursive: true, mode: 0o755 })
    if (made !== undefined && session.recordsOwners) recordRoot(made, host)
    directories.set(path, host)
    return host
  }

  /** Directories that no archive names are root's, on record too. */
  const recordRoot = (first: string, last: string): void => {
    for (let at = last; !relative(first, at).startsWith('..'); at = dirname(at))
      pending.push(...session.chown(at, { uid: 0, gid: 0 }))
  }

  const later = async (operation: FileOperation): Promise<void> => {
    pending.push(operation)
    if (pending.length >= BATCH) await flush()
  }

  const clear = async (hostPath: string): Promise<void> => {
    // A path that was resolved before may now lead elsewhere, even out of the root through a new link: all are forgotten.
    await flush()
    directories.clear()
    for (const path of directoryTimes.keys())
      if (path === hostPath || path.startsWith(`${hostPath}/`)) directoryTimes.delete(path)
    removeTree(hostPath)
  }

  const removeLower = async (hostPath: string): Promise<void> => {
    if (!written.has(hostPath)) return await clear(hostPath)
    if (lstatIfPresent(hostPath)?.isDirectory() !== true) return
    for (const name of readdirSync(hostPath)) await removeLower(join(hostPath, name))
  }

  return {
    path: root,
    job,
    directory,
    clear,
    removeLower,
    wrote: (hostPath) => {
      for (let at = hostPath; at !== root && !written.has(at); at = dirname(at)) written.add(at)
    },
    chown: async (hostPath, owner) => {
      for (const operation of session.chown(hostPath, owner)) await later(operation)
    },
    chmod: async (hostPath, mode) => {
      for (const operation of session.chmod(hostPath, mode)) await later(operation)
    },
    later,
    now: async (operation) => {
      await flush()
      const [result] = await session.batch([operation], job)
      return result
    },
    directoryTime: (hostPath, mtimeNs) => {
      directoryTimes.set(hostPath, mtimeNs)
    },
    finish: async () => {
      for (const [path, mtimeNs] of directoryTimes) pending.push({ type: 'settimes', path, mtimeNs })
      await flush()
    },
  }
}
