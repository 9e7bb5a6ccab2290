import {
  closeSync,
  constants,
  copyFileSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join, posix } from 'node:path'
import { errnoOf, type FileEntry, type Job, OssbError } from '../../core/index.ts'
import {
  lstatIfPresent,
  type Owner,
  type PatternMatcher,
  resolveInRoot,
  type SelectedSource,
  type SourceFile,
  type SourceTree,
  walkSource,
} from '../../fs/index.ts'
import type { FileSession } from '../../native/index.ts'
import {
  type AttributeOptions,
  createLateAttributes,
  creationOf,
  makeDevice,
  readSource,
  setAttributes,
} from './copy-attributes.ts'
import { octalMode } from './file-mode.ts'

export interface CopyOptions extends AttributeOptions {
  /** From --chown: also for the directories that are made on the way. */
  readonly chown?: Owner
  readonly exclude?: PatternMatcher
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
  ): void
  copy(
    tree: SourceTree,
    source: SelectedSource,
    destination: string,
    options: CopyOptions,
    job: Job,
  ): Promise<void>
  /** Sets owners and attributes of what was made so far. */
  flush(): Promise<void>
  /** Sets what must come last: attributes and times. */
  finish(): Promise<void>
}

export interface TargetOptions {
  readonly root: string
  readonly session: FileSession
  /** Modification time, in nanoseconds, of what no source gives one; absent is now. */
  readonly mtimeNs?: bigint
}

const BATCH = 1024
/** Bytes of a file whose content is given to the session. */
const SMALL = 16 * 1024
const NOTHING = new Uint8Array(0)
const ROOT: Owner = { uid: 0, gid: 0 }

export function createTarget({ root, session, mtimeNs: ownTime }: TargetOptions, job: Job): CopyTarget {
  const late = createLateAttributes(session, job)
  const copyContent = createContentCopier()
  const pathOf = (host: string) => host.slice(root.length)

  const makeDirectories = (path: string, { owner, mode }: DirectoryOptions): string => {
    const host = resolveInRoot(root, path, { last: 'follow' })
    const missing: string[] = []
    for (let at = host; at !== root && lstatIfPresent(at) === undefined; at = dirname(at)) missing.unshift(at)
    const [first] = missing
    const existing = first === undefined ? host : dirname(first)
    if (!lstatSync(existing).isDirectory())
      throw new OssbError('ERR_OSSB_FILESYSTEM', `mkdir ${pathOf(existing)}: not a directory`)
    for (const directory of missing) {
      mkdirSync(directory)
      late.owner(session.chown(directory, owner ?? ROOT))
      late.owner(session.chmod(directory, mode))
      if (ownTime !== undefined) late.directory(directory, ownTime)
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

  /** Removes what stands where a file goes: a file or a link, never a directory. */
  const makeRoomFor = (path: string): void => {
    const stats = lstatIfPresent(path)
    if (stats?.isDirectory() === true)
      throw new OssbError('ERR_OSSB_FILESYSTEM', `cannot replace to directory ${pathOf(path)} with file`)
    if (stats !== undefined) rmSync(path)
  }

  /** Makes a file, in the place of what may be there: mostly nothing is. */
  const inRoom = (to: string, make: () => void): void => {
    try {
      make()
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error
      makeRoomFor(to)
      make()
    }
  }

  /** One of the files of a directory, all of which have names of their own; `links` are those that were copied before. */
  const copyListed = async (
    file: SourceFile,
    to: string,
    options: CopyOptions,
    links: Map<string, string>,
  ) => {
    const { hostPath, stats } = file
    const inode = `${stats.dev}:${stats.ino}`
    const isLinked = stats.isFile() && stats.nlink > 1n
    const first = isLinked ? links.get(inode) : undefined
    if (first !== undefined) {
      inRoom(to, () => linkSync(first, to))
      late.file(to, hostPath, stats.mtimeNs)
    } else {
      if (isLinked) links.set(inode, to)
      const entry = await readSource(file, session, job)
      const content = entry.type === 'file' && !isLinked ? smallContent(hostPath, entry) : undefined
      const copy = () => copyOne(file, entry, to, options)
      // The session makes small ones while the next are looked at.
      if (content === undefined) await copy()
      else late.create(creationOf(entry, to, content, options), hostPath, copy)
    }
    if (late.waiting >= BATCH) await late.flush()
  }

  const copyOne = async (file: SourceFile, entry: FileEntry, to: string, options: CopyOptions) => {
    const { hostPath, stats } = file
    if (entry.type === 'symlink') inRoom(to, () => symlinkSync(entry.linkTarget ?? '', to))
    else if (entry.type === 'file' && entry.size > 0) inRoom(to, () => copyContent(hostPath, to))
    else if (entry.type === 'file' || entry.type === 'socket') inRoom(to, () => closeSync(openSync(to, 'wx')))
    else {
      makeRoomFor(to)
      await session.batch([makeDevice(entry, to)], job)
    }
    late.owner(setAttributes(entry, to, options, session))
    late.file(to, hostPath, stats.mtimeNs)
  }

  /** A directory below the destination takes everything from its source, also where it exists. */
  const enterDirectory = async (source: SourceFile, to: string, options: CopyOptions): Promise<void> => {
    const existing = lstatIfPresent(to)
    if (existing?.isDirectory() === false) throw nonDirectory(pathOf(to))
    if (existing === undefined) mkdirSync(to)
    // One that only leads to what is copied is not copied itself: its time is that of a directory made on the way.
    if (source.isParentOnly && existing !== undefined)
      late.owner(session.chmod(to, (await readSource(source, session, job)).mode))
    else late.owner(setAttributes(await readSource(source, session, job), to, options, session))
    if (!source.isParentOnly) late.directory(to, source.stats.mtimeNs)
    else if (existing === undefined && ownTime !== undefined) late.directory(to, ownTime)
  }

  const copyDirectory = async (
    tree: SourceTree,
    source: SelectedSource,
    destination: string,
    options: CopyOptions,
    reader: Job,
  ) => {
    const existing = lstatIfPresent(resolveInRoot(root, destination, { last: 'follow' }))
    if (existing?.isDirectory() === false) throw nonDirectory(destination)
    const base = makeDirectories(destination, madeOnTheWay(options))
    const links = new Map<string, string>()
    for (const file of walkSource(tree, source, options.exclude)) {
      reader.signal.throwIfAborted()
      const to = join(base, file.path)
      if (!file.stats.isDirectory()) await copyListed(file, to, options, links)
      else if (file.path !== '') await enterDirectory(file, to, options)
      else late.directory(base, file.stats.mtimeNs)
    }
    // Another source may bring a file of the same name.
    await late.flush()
  }

  return {
    root,
    makeDirectories,
    writeFile: (name, content, destination, { owner, mode }) => {
      const to = fileTarget(destination, name, { owner })
      makeRoomFor(to)
      writeFileSync(to, content, { flag: 'wx' })
      late.owner(session.chown(to, owner))
      late.owner(session.chmod(to, mode))
      if (ownTime !== undefined) late.file(to, to, ownTime)
    },
    copy: async (tree, source, destination, options, reader) => {
      if (source.isDirectory) return await copyDirectory(tree, source, destination, options, reader)
      const { hostPath } = source
      const file = { path: '', hostPath, stats: lstatSync(hostPath, { bigint: true }), isParentOnly: false }
      const to = fileTarget(destination, basename(source.path), options)
      await copyOne(file, await readSource(file, session, job), to, options)
      if (late.waiting >= BATCH) await late.flush()
    },
    flush: () => late.flush(),
    finish: () => late.finish(),
  }
}

/** What a file holds; undefined where that is too much, which is also what has grown since it was looked at. */
function smallContent(path: string, { size }: FileEntry): Uint8Array | undefined {
  if (size === 0) return NOTHING
  const content = size <= SMALL ? readFileSync(path) : undefined
  return content !== undefined && content.length <= SMALL ? content : undefined
}

/** Copies content into a new file; blocks are shared where the file system can, which the first copy finds out. */
function createContentCopier(): (from: string, to: string) => void {
  let clones = true
  return (from, to) => {
    if (clones) {
      try {
        copyFileSync(from, to, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL)
        return
      } catch (error) {
        if (errnoOf(error) === 'EEXIST') throw error
        clones = false
      }
    }
    copyFileSync(from, to, constants.COPYFILE_EXCL)
  }
}

function nonDirectory(path: string): OssbError {
  return new OssbError('ERR_OSSB_FILESYSTEM', `cannot copy to non-directory: ${path}`)
}

function madeOnTheWay(options: CopyOptions): DirectoryOptions {
  return { owner: options.chown ?? ROOT, mode: octalMode(options.mode) ?? 0o755 }
}
