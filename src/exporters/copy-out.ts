import {
  chmodSync,
  constants,
  copyFileSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
} from 'node:fs'
import { copyFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { errnoOf, type FileEntry, fileSystemError, type Job, OssbError } from '../core/index.ts'
import { temporaryBeside, writeError } from '../io/index.ts'

/** Files above this many bytes are copied off the main thread, so that an interrupt is heard. */
const LARGE_BYTES = 8 * 1024 * 1024

/** Files between two reports of progress. */
const REPORT_EVERY = 500

interface CopyOut {
  readonly rootfs: string
  readonly dest: string
  readonly job: Job
  /** Directories that are known to be real ones: nothing is written below a symbolic link. */
  readonly directories: Map<string, FileEntry>
  /** Where the first name of a hard link was written, by inode. */
  readonly links: Map<string, string>
  readonly skipped: string[]
}

/**
 * Copies files out of a root file system into `dest` (a real path), over what is there: modes, times (to the
 * microsecond), symbolic links and hard links as they are, owners as the file system gives them. Symbolic links in `dest` are replaced and
 * never followed. Devices, pipes and sockets are left out, with a warning.
 * @throws OssbError ERR_OSSB_OUTPUT where a file would have to replace a directory that is not empty
 */
export async function copyOut(
  entries: AsyncIterable<FileEntry>,
  rootfs: string,
  dest: string,
  job: Job,
): Promise<void> {
  const copy: CopyOut = { rootfs, dest, job, directories: new Map(), links: new Map(), skipped: [] }
  let count = 0
  for await (const entry of entries) {
    job.signal.throwIfAborted()
    if (entry.path === '') continue
    await copyEntry(copy, entry)
    count += 1
    if (count % REPORT_EVERY === 0) report(job, count)
  }
  finishDirectories(copy)
  report(job, count)
  if (copy.skipped.length > 0) job.emit(skippedWarning(copy.skipped, dest))
}

function report(job: Job, count: number): void {
  job.emit({ type: 'progress', what: 'copying files', current: count, unit: 'files' })
}

async function copyEntry(copy: CopyOut, entry: FileEntry): Promise<void> {
  const parent = dirname(entry.path)
  if (parent !== '.' && !copy.directories.has(parent))
    throw new OssbError(
      'ERR_OSSB_INTERNAL',
      `Cannot copy "${entry.path}": its directory did not come before it`,
    )
  const target = join(copy.dest, entry.path)
  try {
    if (entry.type === 'directory') makeDirectory(copy, entry, target)
    else if (entry.type === 'file' || entry.type === 'symlink') await replace(copy, entry, target)
    else copy.skipped.push(entry.path)
  } catch (error) {
    throw writeError(error, { action: `write "${target}"`, path: target, size: entry.size })
  }
}

function makeDirectory(copy: CopyOut, entry: FileEntry, target: string): void {
  const existing = lstatSync(target, { throwIfNoEntry: false })
  if (existing !== undefined && !existing.isDirectory()) unlinkSync(target)
  if (existing?.isDirectory()) chmodSync(target, entry.mode | 0o700)
  else mkdirSync(target, 0o700)
  copy.directories.set(entry.path, entry)
}

/** Modes and times of directories come last, innermost first: writing into them would need or change them. */
function finishDirectories({ dest, directories }: CopyOut): void {
  for (const entry of [...directories.values()].reverse()) {
    const target = join(dest, entry.path)
    try {
      chmodSync(target, entry.mode)
      utimesSync(target, seconds(entry), seconds(entry))
    } catch (error) {
      throw fileSystemError(`set the mode of "${target}"`, error)
    }
  }
}

/** Puts a file in place in one step, so that an interrupted copy leaves the old one or the new one. */
async function replace(copy: CopyOut, entry: FileEntry, target: string): Promise<void> {
  makeRoom(target)
  // A name of its own: that of the target may leave no room for more.
  const temporary = temporaryBeside(join(dirname(target), 'copy'))
  try {
    await create(copy, entry, temporary)
    renameSync(temporary, target)
  } finally {
    rmSync(temporary, { force: true })
  }
  if (entry.nlink > 1) copy.links.set(inodeOf(entry), target)
}

/** An empty directory gives way to a file; one that holds something is the user's. */
function makeRoom(target: string): void {
  if (!lstatSync(target, { throwIfNoEntry: false })?.isDirectory()) return
  try {
    rmdirSync(target)
  } catch (error) {
    if (errnoOf(error) !== 'ENOTEMPTY' && errnoOf(error) !== 'EEXIST') throw error
    throw new OssbError(
      'ERR_OSSB_OUTPUT',
      `Cannot write "${target}": a directory with files in it is in the way`,
      { hint: 'Remove it, or choose another destination.' },
    )
  }
}

async function create(copy: CopyOut, entry: FileEntry, temporary: string): Promise<void> {
  const first = entry.nlink > 1 ? copy.links.get(inodeOf(entry)) : undefined
  if (first !== undefined) return linkSync(first, temporary)
  if (entry.type === 'symlink') {
    symlinkSync(entry.linkTarget ?? '', temporary)
    return lutimesSync(temporary, seconds(entry), seconds(entry))
  }
  const source = join(copy.rootfs, entry.path)
  const flags = constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE
  if (entry.size > LARGE_BYTES) await copyFile(source, temporary, flags)
  else copyFileSync(source, temporary, flags)
  chmodSync(temporary, entry.mode)
  utimesSync(temporary, seconds(entry), seconds(entry))
}

function inodeOf(entry: FileEntry): string {
  return `${entry.dev}:${entry.ino}`
}

function seconds(entry: FileEntry): number {
  return Number(entry.mtimeNs) / 1e9
}

function skippedWarning(skipped: readonly string[], dest: string) {
  const named = skipped
    .slice(0, 3)
    .map((path) => `/${path}`)
    .join(', ')
  const more = skipped.length > 3 ? ` and ${skipped.length - 3} more` : ''
  return {
    type: 'warning',
    rule: 'LocalOutputSkipped',
    message: `Left out of "${dest}", because they are devices, pipes or sockets: ${named}${more}`,
  } as const
}
