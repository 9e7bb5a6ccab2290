import { linkSync, lutimesSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs'
import { join, posix } from 'node:path'
import { errnoOf, type Job, OssbError } from '../core/index.ts'
import { lstatIfPresent, type Owner, resolveInRoot } from '../fs/index.ts'
import type { FileSession } from '../native/index.ts'
import { attributesOf } from './attributes.ts'
import { createFileWriter, type FileWriter, wholeSeconds } from './file-writer.ts'
import type { TarHeader } from './tar-header.ts'
import { readTar } from './tar-reader.ts'
import { unpackError } from './unpack-error.ts'
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
  try {
    using files = createFileWriter(root)
    await applyEntries(tar, { root, files, options }, job)
    await root.finish()
  } finally {
    // Whoever throws the root away must be alone with it.
    await root.idle()
  }
}

interface Target {
  readonly root: UnpackRoot
  readonly files: FileWriter
  readonly options: ApplyOptions
}

async function applyEntries(tar: AsyncIterable<Uint8Array>, target: Target, job: Job): Promise<void> {
  const { root, files, options } = target
  let current: TarHeader | undefined
  const failure = (error: unknown) =>
    current === undefined ? error : unpackError(error, current, options.root)
  const naming = <T>(action: () => T): T => {
    try {
      return action()
    } catch (error) {
      throw failure(error)
    }
  }
  const begin = (header: TarHeader): Promise<void> | undefined => {
    files.finish()
    current = header
    return applyEntry(target, relocate(header, options))?.catch((error: unknown) => {
      throw failure(error)
    })
  }
  await readTar(tar, (part) => {
    job.signal.throwIfAborted()
    if (part instanceof Uint8Array) {
      naming(() => files.write(part))
      return undefined
    }
    return naming(() => begin(part)) ?? root.backlog()
  })
  naming(() => files.finish())
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

/** Where an entry goes, and what it is called inside the root. */
interface Place {
  readonly path: string
  readonly hostPath: string
}

/** Answers what must be waited for; nearly everything is done at once. */
function applyEntry(target: Target, header: TarHeader): Promise<void> | undefined {
  const { root, options } = target
  const path = posix.normalize(`/${header.path}`).replace(/\/$/, '').slice(1)
  if (path === '') {
    if (header.type === 'directory') setDirectory(root, root.path, header)
    return undefined
  }
  const slash = path.lastIndexOf('/')
  const parent = root.directory(slash === -1 ? '' : path.slice(0, slash))
  const name = path.slice(slash + 1)
  const whiteout = options.whiteouts === 'literal' ? undefined : parseWhiteout(name)
  if (whiteout !== undefined) return applyWhiteout(root, parent, whiteout)
  const hostPath = join(parent, name)
  root.wrote(hostPath)
  const apply = () => APPLY[header.type](target, { path, hostPath }, header)
  const earlier = root.made(hostPath)
  return earlier === undefined ? apply() : earlier.then(apply)
}

async function applyWhiteout(root: UnpackRoot, parent: string, whiteout: Whiteout): Promise<void> {
  if (whiteout.type === 'delete') await root.removeLower(join(parent, whiteout.name))
  else if (whiteout.type === 'opaque')
    for (const name of readdirSync(parent)) await root.removeLower(join(parent, name))
}

const APPLY: Readonly<
  Record<TarHeader['type'], (target: Target, place: Place, header: TarHeader) => Promise<void> | undefined>
> = {
  file: ({ root, files }, { path, hostPath }, header) => {
    const create = () => files.create(hostPath, header)
    return root.isInTheWay(path, hostPath)
      ? root.clear(hostPath).then(create)
      : createReplacing(root, hostPath, create)
  },
  directory: ({ root }, { path, hostPath }, header) => {
    const finish = () => {
      root.madeDirectory(path, hostPath)
      setDirectory(root, hostPath, header)
      root.later(...attributesOf(hostPath, header))
    }
    if (lstatIfPresent(hostPath)?.isDirectory() !== true)
      return createReplacing(root, hostPath, () => {
        mkdirSync(hostPath, { mode: 0o700 })
        finish()
      })
    finish()
    return undefined
  },
  symlink: ({ root }, { hostPath }, header) =>
    createReplacing(root, hostPath, () => {
      symlinkSync(header.linkTarget, hostPath)
      root.later(...root.session.chown(hostPath, header))
      const seconds = wholeSeconds(header.mtimeNs)
      if (seconds === undefined) root.later({ type: 'settimes', path: hostPath, mtimeNs: header.mtimeNs })
      else lutimesSync(hostPath, seconds, seconds)
    }),
  hardlink: ({ root }, { hostPath }, header) => {
    const target = resolveInRoot(root.path, header.linkTarget, { last: 'keep' })
    if (target === hostPath) return undefined
    const link = () => linkFile(root, { target, hostPath }, header)
    const earlier = root.made(target)
    return earlier === undefined ? link() : earlier.then(link)
  },
  character: applyDevice,
  block: applyDevice,
  fifo: applyDevice,
}

function linkFile(
  root: UnpackRoot,
  { target, hostPath }: { readonly target: string; readonly hostPath: string },
  header: TarHeader,
): Promise<void> | undefined {
  const stats = lstatIfPresent(target)
  if (stats === undefined || stats.isDirectory()) {
    throw new OssbError(
      'ERR_OSSB_LAYER_INVALID',
      `Cannot unpack "${header.path}": it is a hard link to "${header.linkTarget}", which is not a file in the image`,
    )
  }
  return createReplacing(root, hostPath, () => linkSync(target, hostPath))
}

async function applyDevice({ root }: Target, { hostPath: path }: Place, header: TarHeader): Promise<void> {
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
      message: `Device node "${join('/', header.path)}" was left out: this user may not make it`,
    })
    return
  }
  setOwnerAndMode(root, path, header)
  root.later({ type: 'settimes', path, mtimeNs: header.mtimeNs })
}

/** Makes something, in the place of what may be there. */
function createReplacing(root: UnpackRoot, path: string, create: () => void): Promise<void> | undefined {
  try {
    create()
    return undefined
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error
    return root.clear(path).then(create)
  }
}

function setDirectory(root: UnpackRoot, path: string, header: TarHeader): void {
  setOwnerAndMode(root, path, header)
  root.directoryTime(path, header.mtimeNs)
}

function setOwnerAndMode(root: UnpackRoot, path: string, header: TarHeader): void {
  root.later(...root.session.chown(path, header))
  root.later(...root.session.chmod(path, header.mode))
}
