import {
  closeSync,
  futimesSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  symlinkSync,
} from 'node:fs'
import { join, posix } from 'node:path'
import { errnoOf, type Job, OssbError } from '../core/index.ts'
import { lstatIfPresent, type Owner, resolveInRoot } from '../fs/index.ts'
import { writeError, writeFully } from '../io/index.ts'
import type { FileSession } from '../native/index.ts'
import type { TarHeader } from './tar-header.ts'
import { readTar, type TarEntry } from './tar-reader.ts'
import { createUnpackRoot, type UnpackRoot } from './unpack-root.ts'
import { parseWhiteout, type Whiteout } from './whiteout.ts'

export interface ApplyOptions {
  readonly root: string
  /** The directory inside the root that the archive's paths start from; absent is the root. */
  readonly directory?: string
  /** Whether `.wh.` names delete, as in a layer, or are files like any other, as in an archive of ADD. */
  readonly whiteouts?: 'applied' | 'literal'
  /** The owner of every entry, whatever the archive says. */
  readonly owner?: Owner
}

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
  const root = createUnpackRoot(options.root, session, job)
  const whiteouts = options.whiteouts ?? 'applied'
  for await (const entry of readTar(tar)) {
    job.signal.throwIfAborted()
    try {
      await applyEntry(root, { ...entry, header: relocate(entry.header, options) }, whiteouts)
    } catch (error) {
      throw describe(error, entry.header, options.root)
    }
  }
  await root.finish()
}

function describe(error: unknown, header: TarHeader, root: string): unknown {
  if (error instanceof OssbError) return error
  const isOwner = error instanceof Error && 'syscall' in error && String(error.syscall).includes('chown')
  if (errnoOf(error) !== 'EINVAL' || !isOwner)
    return writeError(error, { action: `unpack "${header.path}"`, path: root, size: header.size })
  return new OssbError(
    'ERR_OSSB_FILESYSTEM',
    `Cannot unpack "${header.path}": its owner ${header.uid}:${header.gid} is outside of the id range of this user`,
    {
      cause: error,
      hint: 'Give the user a larger range in /etc/subuid and /etc/subgid (usermod --add-subuids FIRST-LAST --add-subgids FIRST-LAST USER).',
    },
  )
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

async function applyEntry(
  root: UnpackRoot,
  entry: TarEntry,
  whiteouts: 'applied' | 'literal',
): Promise<void> {
  const path = posix.normalize(`/${entry.header.path}`).replace(/\/$/, '').slice(1)
  if (path === '') {
    if (entry.header.type === 'directory') await setDirectory(root, root.path, entry.header)
    return
  }
  const parent = root.directory(posix.dirname(path) === '.' ? '' : posix.dirname(path))
  const name = posix.basename(path)
  const whiteout = whiteouts === 'applied' ? parseWhiteout(name) : undefined
  if (whiteout !== undefined) return await applyWhiteout(root, parent, whiteout)
  root.wrote(join(parent, name))
  await APPLY[entry.header.type](root, join(parent, name), entry)
}

async function applyWhiteout(root: UnpackRoot, parent: string, whiteout: Whiteout): Promise<void> {
  if (whiteout.type === 'delete') await root.removeLower(join(parent, whiteout.name))
  else if (whiteout.type === 'opaque')
    for (const name of readdirSync(parent)) await root.removeLower(join(parent, name))
}

const APPLY: Readonly<
  Record<TarHeader['type'], (root: UnpackRoot, path: string, entry: TarEntry) => Promise<void>>
> = {
  file: async (root, path, entry) => {
    const fd = await createReplacing(root, path, () => openSync(path, 'wx', 0o600))
    try {
      for await (const chunk of entry.content()) writeFully(fd, chunk)
      await root.chown(path, entry.header)
      await root.chmod(path, entry.header.mode)
      if (isWholeSecond(entry.header)) futimesSync(fd, secondsOf(entry.header), secondsOf(entry.header))
    } finally {
      closeSync(fd)
    }
    await setAttributes(root, path, entry.header)
    if (!isWholeSecond(entry.header))
      await root.later({ type: 'settimes', path, mtimeNs: entry.header.mtimeNs })
  },
  directory: async (root, path, { header }) => {
    if (lstatIfPresent(path)?.isDirectory() !== true)
      await createReplacing(root, path, () => mkdirSync(path, { mode: 0o700 }))
    await setDirectory(root, path, header)
    await setAttributes(root, path, header)
  },
  symlink: async (root, path, { header }) => {
    await createReplacing(root, path, () => symlinkSync(header.linkTarget, path))
    await root.chown(path, header)
    if (isWholeSecond(header)) lutimesSync(path, secondsOf(header), secondsOf(header))
    else await root.later({ type: 'settimes', path, mtimeNs: header.mtimeNs })
  },
  hardlink: async (root, path, { header }) => {
    const target = resolveInRoot(root.path, header.linkTarget, { last: 'keep' })
    if (target === path) return
    const stats = lstatIfPresent(target)
    if (stats === undefined || stats.isDirectory()) {
      throw new OssbError(
        'ERR_OSSB_LAYER_INVALID',
        `Cannot unpack "${header.path}": it is a hard link to "${header.linkTarget}", which is not a file in the image`,
      )
    }
    await createReplacing(root, path, () => linkSync(target, path))
  },
  character: applyDevice,
  block: applyDevice,
  fifo: applyDevice,
}

async function applyDevice(root: UnpackRoot, path: string, { header }: TarEntry): Promise<void> {
  await root.clear(path)
  const fileType = header.type === 'character' || header.type === 'block' ? header.type : 'fifo'
  const { mode, devMajor: major, devMinor: minor } = header
  const made = await root.now({ type: 'mknod', path, fileType, mode, major, minor, optional: true })
  if (made?.ok === false) {
    // A user namespace may not make device nodes: they are left out, as every rootless builder does.
    if (fileType === 'fifo' || made.code !== 'EPERM')
      throw new OssbError(
        'ERR_OSSB_FILESYSTEM',
        `Cannot unpack "${header.path}": ${made.code}: the ${header.type} can't be made`,
      )
    root.job.emit({
      type: 'warning',
      rule: 'DeviceSkipped',
      message: `Device node "/${header.path}" of the base image was left out: this user may not make it`,
    })
    return
  }
  await root.chown(path, header)
  await root.chmod(path, header.mode)
  await root.later({ type: 'settimes', path, mtimeNs: header.mtimeNs })
}

/** Makes a file, in the place of what may be there. */
async function createReplacing<T>(root: UnpackRoot, path: string, create: () => T): Promise<T> {
  try {
    return create()
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error
    await root.clear(path)
    return create()
  }
}

async function setDirectory(root: UnpackRoot, path: string, header: TarHeader): Promise<void> {
  await root.chown(path, header)
  await root.chmod(path, header.mode)
  root.directoryTime(path, header.mtimeNs)
}

/**
 * File capabilities are part of what a file is. `user.` attributes are kept where the file system has them; overlayfs
 * and we keep our own marks under that name, and an image must not be able to forge one.
 */
async function setAttributes(root: UnpackRoot, path: string, header: TarHeader): Promise<void> {
  for (const [name, value] of header.xattrs) {
    if (name === 'security.capability') await root.later({ type: 'setxattr', path, name, value })
    else if (name.startsWith('user.') && !/^user\.(overlay|ossb)\./.test(name))
      await root.later({ type: 'setxattr', path, name, value, optional: true })
  }
}

/** Whether Node can set the time itself; it takes a time before the epoch for the present. */
function isWholeSecond({ mtimeNs }: TarHeader): boolean {
  return mtimeNs >= 0n && mtimeNs % 1_000_000_000n === 0n
}

function secondsOf(header: TarHeader): number {
  return Number(header.mtimeNs / 1_000_000_000n)
}
