import {
  chmodSync,
  constants,
  copyFileSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join, posix } from 'node:path'
import { type Job, OssbError } from '../../core/index.ts'
import {
  lstatIfPresent,
  type Owner,
  type PatternMatcher,
  readFileEntry,
  resolveInRoot,
  type SelectedSource,
  type SourceFile,
  type SourceTree,
  walkSource,
} from '../../fs/index.ts'
import type { FileOperation, FileSession } from '../../native/index.ts'
import { readCapabilities } from './capabilities.ts'
import { applyMode, octalMode } from './file-mode.ts'

export interface CopyOptions {
  /** Forced owner of everything; absent keeps that of the source. */
  readonly owner?: Owner
  /** From --chown: also for the directories that are made on the way. */
  readonly chown?: Owner
  /** From --chmod. */
  readonly mode?: string
  readonly exclude?: PatternMatcher
  /** Path of the source to keep below the destination (--parents), relative. */
  readonly keptPath?: string
}

export interface DirectoryOptions {
  readonly owner: Owner | undefined
  readonly mode: number
}

/** A root file system that files are copied into, by the rules of COPY (dockerfile reference, COPY). */
export interface CopyTarget {
  readonly root: string
  /** Where a directory lies on the host; made with its parents where it is missing, unchanged where it is not. */
  makeDirectories(path: string, options: DirectoryOptions): string
  writeFile(
    name: string,
    content: Uint8Array,
    destination: string,
    options: { readonly owner: Owner; readonly mode: number },
  ): Promise<void>
  copy(
    tree: SourceTree,
    source: SelectedSource,
    destination: string,
    options: CopyOptions,
    job: Job,
  ): Promise<void>
  /** Sets what must come last: attributes and times. */
  finish(): Promise<void>
}

const BATCH = 1024
const ROOT: Owner = { uid: 0, gid: 0 }

/** `time` in seconds is that of what no source gives one; absent is now. */
export function createTarget(root: string, session: FileSession, job: Job, time?: number): CopyTarget {
  const copied: CopiedFile[] = []
  const ownTime = time === undefined ? undefined : BigInt(time) * 1_000_000_000n
  /** Modification times of directories: only right once nothing is put into them any more. */
  const directoryTimes = new Map<string, bigint>()

  const makeDirectories = (path: string, { owner, mode }: DirectoryOptions): string => {
    const host = resolveInRoot(root, path, { last: 'follow' })
    const missing: string[] = []
    for (let at = host; at !== root && lstatIfPresent(at) === undefined; at = dirname(at)) missing.unshift(at)
    const [first] = missing
    const existing = first === undefined ? host : dirname(first)
    if (!lstatSync(existing).isDirectory())
      throw new OssbError('ERR_OSSB_FILESYSTEM', `mkdir ${path}: not a directory`)
    for (const directory of missing) {
      mkdirSync(directory)
      lchownSync(directory, owner?.uid ?? 0, owner?.gid ?? 0)
      chmodSync(directory, mode)
      if (ownTime !== undefined) directoryTimes.set(directory, ownTime)
    }
    return host
  }

  /** Where a file goes: into the destination where that is a directory or says so, else it is the destination. */
  const fileTarget = (destination: string, name: string, options: CopyOptions): string => {
    const isDirectory =
      /(^|\/)\.?$/.test(destination) ||
      lstatIfPresent(resolveInRoot(root, destination, { last: 'follow' }))?.isDirectory() === true
    const path = isDirectory ? posix.join(destination, name) : destination
    return join(makeDirectories(posix.dirname(path), madeOnTheWay(options)), posix.basename(path))
  }

  const flush = async () => {
    const files = copied.splice(0)
    const capabilities = await readCapabilities(
      files.map(({ from }) => from),
      session,
      job,
    )
    const operations = files.flatMap(({ to, mtimeNs }, i): FileOperation[] => {
      const time: FileOperation = { type: 'settimes', path: to, mtimeNs }
      const value = capabilities[i]
      return value === undefined
        ? [time]
        : [{ type: 'setxattr', path: to, name: 'security.capability', value }, time]
    })
    if (operations.length > 0) await session.batch(operations, job)
  }

  const copyOne = async (file: SourceFile, to: string, options: CopyOptions, links: Map<string, string>) => {
    const { hostPath, stats } = file
    makeRoomFor(to, root)
    const inode = `${stats.dev}:${stats.ino}`
    const first = stats.nlink > 1n ? links.get(inode) : undefined
    if (first !== undefined) return linkSync(first, to)
    if (stats.nlink > 1n) links.set(inode, to)
    if (stats.isSymbolicLink()) symlinkSync(readlinkSync(hostPath), to)
    else if (stats.isFile()) copyFileSync(hostPath, to, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL)
    else if (stats.isSocket()) writeFileSync(to, '', { flag: 'wx' })
    else await session.batch([makeDevice(hostPath, to)], job)
    setAttributes(file, to, options)
    copied.push({ from: hostPath, to, mtimeNs: stats.mtimeNs })
    if (copied.length >= BATCH) await flush()
  }

  const copyDirectory = async (
    tree: SourceTree,
    source: SelectedSource,
    destination: string,
    options: CopyOptions,
    reader: Job,
  ) => {
    const existing = lstatIfPresent(resolveInRoot(root, destination, { last: 'follow' }))
    if (existing?.isDirectory() === false)
      throw new OssbError('ERR_OSSB_FILESYSTEM', `cannot copy to non-directory: ${destination}`)
    const base = makeDirectories(destination, madeOnTheWay(options))
    const links = new Map<string, string>()
    for (const file of walkSource(tree, source, options.exclude)) {
      reader.signal.throwIfAborted()
      const to = join(base, file.path)
      if (!file.stats.isDirectory()) {
        await copyOne(file, to, options, links)
        continue
      }
      if (file.path !== '') enterDirectory(to, root, file, options)
      directoryTimes.set(to, file.stats.mtimeNs)
    }
  }

  return {
    root,
    makeDirectories,
    writeFile: async (name, content, destination, { owner, mode }) => {
      const to = fileTarget(destination, name, { owner })
      makeRoomFor(to, root)
      writeFileSync(to, content, { flag: 'wx' })
      lchownSync(to, owner.uid, owner.gid)
      chmodSync(to, mode)
      if (ownTime !== undefined) await session.batch([{ type: 'settimes', path: to, mtimeNs: ownTime }], job)
    },
    copy: async (tree, source, destination, options, reader) => {
      const kept = options.keptPath
      if (source.isDirectory) {
        await copyDirectory(
          tree,
          source,
          kept === undefined ? destination : posix.join(destination, kept),
          options,
          reader,
        )
        return
      }
      const name = basename(source.path)
      const to =
        kept === undefined
          ? fileTarget(destination, name, options)
          : fileTarget(`${posix.join(destination, posix.dirname(kept))}/`, name, options)
      const stats = lstatSync(source.hostPath, { bigint: true })
      await copyOne({ path: '', hostPath: source.hostPath, stats }, to, options, new Map())
    },
    finish: async () => {
      await flush()
      const times = [...directoryTimes].map(
        ([path, mtimeNs]): FileOperation => ({ type: 'settimes', path, mtimeNs }),
      )
      directoryTimes.clear()
      if (times.length > 0) await session.batch(times, job)
    },
  }
}

interface CopiedFile {
  /** Where a capability may be copied from. */
  readonly from: string
  readonly to: string
  readonly mtimeNs: bigint
}

function madeOnTheWay(options: CopyOptions): DirectoryOptions {
  return { owner: options.chown ?? ROOT, mode: octalMode(options.mode) ?? 0o755 }
}

/** Removes what stands where a file goes: a file or a link, never a directory. */
function makeRoomFor(path: string, root: string): void {
  const stats = lstatIfPresent(path)
  if (stats?.isDirectory() === true)
    throw new OssbError(
      'ERR_OSSB_FILESYSTEM',
      `cannot replace to directory ${path.slice(root.length)} with file`,
    )
  if (stats !== undefined) rmSync(path)
}

/** A directory below the destination takes everything from its source, also where it exists. */
function enterDirectory(path: string, root: string, source: SourceFile, options: CopyOptions): void {
  const stats = lstatIfPresent(path)
  if (stats === undefined) mkdirSync(path)
  else if (!stats.isDirectory())
    throw new OssbError('ERR_OSSB_FILESYSTEM', `cannot copy to non-directory: ${path.slice(root.length)}`)
  setAttributes(source, path, options)
}

function setAttributes({ stats }: SourceFile, to: string, { owner, mode }: CopyOptions): void {
  lchownSync(to, owner?.uid ?? Number(stats.uid), owner?.gid ?? Number(stats.gid))
  if (stats.isSymbolicLink()) return
  const current = Number(stats.mode & 0o7777n)
  chmodSync(to, mode === undefined ? current : applyMode(mode, current, stats.isDirectory()))
}

function makeDevice(from: string, to: string): FileOperation {
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
