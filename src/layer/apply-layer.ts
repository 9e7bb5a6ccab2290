import {
  chmodSync,
  closeSync,
  fchmodSync,
  fchownSync,
  futimesSync,
  lchownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs'
import { join, posix } from 'node:path'
import { errnoOf, fileSystemError, type Job, OssbError } from '../core/index.ts'
import { lstatIfPresent, type Owner, removeTree, resolveInRoot } from '../fs/index.ts'
import { writeFully } from '../io/index.ts'
import type { FileOperation, FileSession } from '../native/index.ts'
import type { TarHeader } from './tar-header.ts'
import { readTar, type TarEntry } from './tar-reader.ts'
import { parseWhiteout } from './whiteout.ts'

export interface ApplyOptions {
  readonly root: string
  /** The directory inside the root that the archive's paths start from; absent is the root. */
  readonly directory?: string
  /** Whether `.wh.` names delete, as in a layer, or are files like any other, as in an archive of ADD. */
  readonly whiteouts?: 'applied' | 'literal'
  /** The owner of every entry, whatever the archive says. */
  readonly owner?: Owner
}

/** How many operations are handed to the native session at once. */
const BATCH = 512

/**
 * Applies one layer to a root file system (image-spec layer.md#applying-changesets): exact type, mode, owner and time,
 * hard links, capabilities; device nodes where the kernel permits them. Every path is resolved inside the root.
 * The caller checks the digest of `tar` and throws the root away when it was wrong.
 * @throws OssbError ERR_OSSB_LAYER_INVALID or ERR_OSSB_FILESYSTEM that names the entry
 */
export async function applyLayer(
  tar: AsyncIterable<Uint8Array>,
  options: ApplyOptions,
  session: FileSession,
  job: Job,
): Promise<void> {
  const state = createState(options.root, session, job)
  for await (const entry of readTar(tar)) {
    job.signal.throwIfAborted()
    try {
      await applyEntry(
        state,
        { ...entry, header: relocate(entry.header, options) },
        options.whiteouts ?? 'applied',
      )
    } catch (error) {
      throw describe(error, entry.header)
    }
  }
  await state.finish()
}

function describe(error: unknown, header: TarHeader): unknown {
  if (error instanceof OssbError) return error
  if (errnoOf(error) !== 'EINVAL') return fileSystemError(`unpack "${header.path}"`, error)
  return new OssbError(
    'ERR_OSSB_FILESYSTEM',
    `Cannot unpack "${header.path}": its owner ${header.uid}:${header.gid} is outside of the id range of this user`,
    {
      cause: error,
      hint: 'Give the user a larger range in /etc/subuid and /etc/subgid (usermod --add-subuids FIRST-LAST --add-subgids FIRST-LAST USER).',
    },
  )
}

/** What is known of a root while a layer is applied to it. */
interface State {
  readonly root: string
  readonly job: Job
  /** Where a directory of the archive lies on the host; created where it is missing. */
  directory(path: string): string
  /** Must be called before something is removed, or a symbolic link made. */
  forget(): Promise<void>
  /** Paths that this layer itself wrote: its whiteouts do not touch them. */
  readonly written: Set<string>
  later(operation: FileOperation): Promise<void>
  /** Directories get their times last, when nothing is written into them any more. */
  readonly directoryTimes: Map<string, bigint>
  finish(): Promise<void>
}

function createState(root: string, session: FileSession, job: Job): State {
  const directories = new Map<string, string>()
  const directoryTimes = new Map<string, bigint>()
  let pending: FileOperation[] = []
  const flush = async () => {
    const operations = pending
    pending = []
    if (operations.length > 0) await session.batch(operations, job)
  }
  const directory = (path: string): string => {
    const known = directories.get(path)
    if (known !== undefined) return known
    const host = resolveInRoot(root, path, { last: 'follow' })
    mkdirSync(host, { recursive: true, mode: 0o755 })
    directories.set(path, host)
    return host
  }
  return {
    root,
    job,
    directory,
    directoryTimes,
    written: new Set(),
    forget: async () => {
      directories.clear()
      await flush()
    },
    later: async (operation) => {
      pending.push(operation)
      if (pending.length >= BATCH) await flush()
    },
    finish: async () => {
      for (const [path, mtimeNs] of directoryTimes) {
        if (lstatIfPresent(path)?.isDirectory() === true) pending.push({ type: 'settimes', path, mtimeNs })
      }
      await flush()
    },
  }
}

/** The header as it counts below another directory, and for another owner. */
function relocate(header: TarHeader, { directory, owner }: ApplyOptions): TarHeader {
  if (directory === undefined && owner === undefined) return header
  const below = (path: string) => posix.join(directory ?? '', posix.normalize(`/${path}`))
  return {
    ...header,
    path: below(header.path),
    linkTarget: header.type === 'hardlink' ? below(header.linkTarget) : header.linkTarget,
    ...owner,
  }
}

async function applyEntry(state: State, entry: TarEntry, whiteouts: 'applied' | 'literal'): Promise<void> {
  const path = posix.normalize(`/${entry.header.path}`).replace(/\/$/, '').slice(1)
  if (path === '') {
    if (entry.header.type === 'directory') setDirectory(state, state.root, entry.header)
    return
  }
  const parent = state.directory(posix.dirname(path) === '.' ? '' : posix.dirname(path))
  const whiteout = whiteouts === 'applied' ? parseWhiteout(posix.basename(path)) : undefined
  if (whiteout !== undefined) {
    await applyWhiteout(state, posix.dirname(path), parent, whiteout)
    return
  }
  state.written.add(path)
  await APPLY[entry.header.type](state, join(parent, posix.basename(path)), entry)
}

async function applyWhiteout(
  state: State,
  directory: string,
  parent: string,
  whiteout: NonNullable<ReturnType<typeof parseWhiteout>>,
): Promise<void> {
  const names =
    whiteout.type === 'delete' ? [whiteout.name] : whiteout.type === 'opaque' ? readdirSync(parent) : []
  for (const name of names) {
    if (state.written.has(posix.join(directory, name))) continue
    await state.forget()
    removeTree(join(parent, name))
  }
}

const APPLY: Readonly<
  Record<TarHeader['type'], (state: State, path: string, entry: TarEntry) => Promise<void>>
> = {
  file: async (state, path, entry) => {
    const fd = await createReplacing(state, path, () => openSync(path, 'wx', 0o600))
    try {
      for await (const chunk of entry.content()) writeFully(fd, chunk)
      fchownSync(fd, entry.header.uid, entry.header.gid)
      fchmodSync(fd, entry.header.mode)
      if (isWholeSecond(entry.header)) futimesSync(fd, secondsOf(entry.header), secondsOf(entry.header))
    } finally {
      closeSync(fd)
    }
    await setAttributes(state, path, entry.header)
    if (!isWholeSecond(entry.header))
      await state.later({ type: 'settimes', path, mtimeNs: entry.header.mtimeNs })
  },
  directory: async (state, path, entry) => {
    if (lstatIfPresent(path)?.isDirectory() !== true)
      await createReplacing(state, path, () => mkdirSync(path, { mode: 0o700 }))
    setDirectory(state, path, entry.header)
    await setAttributes(state, path, entry.header)
  },
  symlink: async (state, path, { header }) => {
    await state.forget()
    await createReplacing(state, path, () => symlinkSync(header.linkTarget, path))
    lchownSync(path, header.uid, header.gid)
    if (isWholeSecond(header)) lutimesSync(path, secondsOf(header), secondsOf(header))
    else await state.later({ type: 'settimes', path, mtimeNs: header.mtimeNs })
  },
  hardlink: async (state, path, { header }) => {
    const target = resolveInRoot(state.root, header.linkTarget, { last: 'keep' })
    if (target === path) return
    const stats = lstatIfPresent(target)
    if (stats === undefined || stats.isDirectory()) {
      throw new OssbError(
        'ERR_OSSB_LAYER_INVALID',
        `Cannot unpack "${header.path}": it is a hard link to "${header.linkTarget}", which is not a file in the image`,
      )
    }
    await createReplacing(state, path, () => linkSync(target, path))
  },
  character: applyDevice,
  block: applyDevice,
  fifo: applyDevice,
}

async function applyDevice(state: State, path: string, { header }: TarEntry): Promise<void> {
  await state.forget()
  if (lstatIfPresent(path) !== undefined) removeTree(path)
  const fileType = header.type === 'character' || header.type === 'block' ? header.type : 'fifo'
  // A user namespace may not make device nodes: they are left out, as every rootless builder does.
  const optional = fileType === 'fifo' ? {} : ({ optional: true } as const)
  await state.later({
    type: 'mknod',
    path,
    fileType,
    mode: header.mode,
    major: header.devMajor,
    minor: header.devMinor,
    ...optional,
  })
  await state.forget()
  if (lstatIfPresent(path) === undefined) {
    state.job.emit({
      type: 'warning',
      rule: 'DeviceSkipped',
      message: `Device node "/${header.path}" of the base image was left out: this user may not make it`,
    })
    return
  }
  lchownSync(path, header.uid, header.gid)
  chmodSync(path, header.mode)
  await state.later({ type: 'settimes', path, mtimeNs: header.mtimeNs })
}

/** Makes a file, in the place of what may be there. */
async function createReplacing<T>(state: State, path: string, create: () => T): Promise<T> {
  try {
    return create()
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error
    await state.forget()
    if (lstatIfPresent(path)?.isDirectory() === true) removeTree(path)
    else unlinkSync(path)
    return create()
  }
}

function setDirectory(state: State, path: string, header: TarHeader): void {
  lchownSync(path, header.uid, header.gid)
  chmodSync(path, header.mode)
  state.directoryTimes.set(path, header.mtimeNs)
}

/**
 * File capabilities are part of what a file is. `user.` attributes are kept where the file system has them; overlayfs
 * keeps its own marks under that name, and an image must not be able to forge one.
 */
async function setAttributes(state: State, path: string, header: TarHeader): Promise<void> {
  for (const [name, value] of header.xattrs) {
    if (name === 'security.capability') await state.later({ type: 'setxattr', path, name, value })
    else if (name.startsWith('user.') && !name.startsWith('user.overlay.'))
      await state.later({ type: 'setxattr', path, name, value, optional: true })
  }
}

function isWholeSecond(header: TarHeader): boolean {
  return header.mtimeNs % 1_000_000_000n === 0n
}

function secondsOf(header: TarHeader): number {
  return Number(header.mtimeNs / 1_000_000_000n)
}
