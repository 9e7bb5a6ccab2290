import { chmodSync, lstatSync, mkdirSync, rmdirSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { errnoOf, type Job, OssbError } from '../core/index.ts'
import { lstatIfPresent, resolveInRoot } from '../fs/index.ts'
import type { FileOperation, FileSession } from '../native/index.ts'
import type { ProcessMount } from './executor.ts'
import { withoutAbort } from './without-abort.ts'

/** A mount whose target has no symbolic links in it, and what kind of file that is. */
export type PlacedMount = ProcessMount & { readonly kind: 'directory' | 'file' }

/** The mount points of a process, made in its root where they were missing. */
export interface MountPoints {
  readonly mounts: readonly PlacedMount[]
  /** Takes away what was made and is still as it was made; the directories above keep the times they have by then. */
  remove(job: Job): Promise<void>
}

interface MountPointsOptions {
  readonly rootfs: string
  readonly mounts: readonly ProcessMount[]
  /** Made where it is missing, too, and stays. */
  readonly cwd: string
  readonly session: FileSession
}

/** Where the kernel's own file systems are mounted before anything else. */
const KERNEL: readonly string[] = ['/proc', '/dev', '/sys']

/** Something that was made, as it was made. */
interface Stub {
  readonly path: string
  readonly identity: string
}

/**
 * Makes the mount points that a root lacks, so that nobody else has to: then what was made is known. What lies below
 * another mount is left to whoever mounts that, as it is not in the root.
 * @throws OssbError ERR_OSSB_EXECUTOR when something in the root is in the way
 */
export async function makeMountPoints(
  { rootfs, mounts, cwd, session }: MountPointsOptions,
  job: Job,
): Promise<MountPoints> {
  const maker: Maker = { session, stubs: [] }
  const remove = (last: Job) => removeStubs(rootfs, maker, last)
  for (const path of KERNEL) refuseOther(rootfs, path)
  const resolved = mounts.map((mount) => ({
    ...mount,
    target: withoutLinks(rootfs, mount.target),
    kind: kindOf(mount),
  }))
  try {
    const made = makeWorkingDirectory(rootfs, withoutLinks(rootfs, cwd), [
      ...KERNEL,
      ...resolved.map(({ target }) => target),
    ])
    await session.batch(
      made.flatMap((path) => session.chown(path, { uid: 0, gid: 0 })),
      job,
    )
    for (const path of KERNEL) await makePath({ path: join(rootfs, path), kind: 'directory' }, maker, job)
    for (const [index, mount] of resolved.entries()) {
      const above = [...KERNEL, ...resolved.slice(0, index).map(({ target }) => target)]
      if (isCovered(mount.target, above)) continue
      // runc gives a tmpfs the mode of its mount point, whatever it is asked for.
      const mode = mount.type === 'tmpfs' ? { mode: 0o1777 } : {}
      await makePath({ path: join(rootfs, mount.target), kind: mount.kind, ...mode }, maker, job)
    }
  } catch (error) {
    await remove(withoutAbort(job))
    throw error
  }
  return { mounts: resolved, remove }
}

/** A link here could put the kernel's file systems, and what hides parts of them, anywhere in the image. */
function refuseOther(rootfs: string, path: string): void {
  const found = lstatIfPresent(join(rootfs, path))
  if (found === undefined || found.isDirectory()) return
  throw new OssbError(
    'ERR_OSSB_EXECUTOR',
    `Cannot run a process in the image: its "${path}" is not a directory`,
  )
}

/** A path inside the root, as it is when every symbolic link on the way was followed. */
function withoutLinks(rootfs: string, path: string): string {
  return `/${relative(rootfs, resolveInRoot(rootfs, path, { last: 'follow' }))}`
}

function isCovered(path: string, mountPoints: readonly string[]): boolean {
  return mountPoints.some((above) => path === above || path.startsWith(above === '/' ? '/' : `${above}/`))
}

/** Answers what it made. */
function makeWorkingDirectory(
  rootfs: string,
  cwd: string,
  mountPoints: readonly string[],
): readonly string[] {
  const path = join(rootfs, cwd)
  if (isCovered(cwd, mountPoints) || lstatIfPresent(path) !== undefined) return []
  const above = makeWorkingDirectory(rootfs, dirname(cwd), mountPoints)
  mkdirSync(path)
  chmodSync(path, 0o755)
  return [...above, path]
}

function kindOf(mount: ProcessMount): 'directory' | 'file' {
  if (mount.type === 'tmpfs') return 'directory'
  try {
    return statSync(mount.source).isDirectory() ? 'directory' : 'file'
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new OssbError('ERR_OSSB_EXECUTOR', `Cannot mount "${mount.source}": ${reason}`, { cause: error })
  }
}

interface Maker {
  readonly session: FileSession
  /** Gets what is made, as soon as it is. */
  readonly stubs: Stub[]
}

interface MissingPath {
  readonly path: string
  readonly kind: 'directory' | 'file'
  /** Of the last part; the directories above it get 0755. */
  readonly mode?: number
}

/** Makes what is missing of a path; each directory in which something is made gets its time back at once. */
async function makePath(
  { path, kind, mode = kind === 'directory' ? 0o755 : 0o644 }: MissingPath,
  maker: Maker,
  job: Job,
): Promise<void> {
  const existing = lstatIfPresent(path)
  if (existing !== undefined) {
    if (existing.isDirectory() === (kind === 'directory')) return
    throw new OssbError(
      'ERR_OSSB_EXECUTOR',
      `Cannot mount on "${path}": it is ${kind === 'file' ? 'a' : 'no'} directory`,
    )
  }
  const parent = dirname(path)
  await makePath({ path: parent, kind: 'directory' }, maker, job)
  const time = timeOf(parent)
  if (kind === 'directory') mkdirSync(path)
  else writeFileSync(path, '', { flag: 'wx' })
  chmodSync(path, mode)
  maker.stubs.push({ path, identity: identityOf(path) })
  await maker.session.batch([time], job)
}

/** The operation that gives a directory the time that it has now. */
function timeOf(path: string): FileOperation {
  return { type: 'settimes', path, mtimeNs: lstatSync(path, { bigint: true }).mtimeNs }
}

/** What a file is told by, and what changes when somebody changes it. The time of a directory counts for nothing. */
function identityOf(path: string): string {
  const stats = lstatSync(path, { bigint: true })
  const owned = [stats.dev, stats.ino, stats.mode, stats.uid, stats.gid]
  return [...owned, ...(stats.isDirectory() ? [] : [stats.nlink, stats.size, stats.mtimeNs])].join(' ')
}

/** The process may have put links in the way since: what is not where it was is not touched. */
async function removeStubs(rootfs: string, { stubs, session }: Maker, job: Job): Promise<void> {
  for (const { path, identity } of stubs.splice(0).toReversed()) {
    if (resolveInRoot(rootfs, `/${relative(rootfs, path)}`, { last: 'keep' }) !== path) continue
    if (lstatIfPresent(path) === undefined || identityOf(path) !== identity) continue
    const time = timeOf(dirname(path))
    if (removeEmpty(path)) await session.batch([time], job)
  }
}

function removeEmpty(path: string): boolean {
  try {
    if (lstatSync(path).isDirectory()) rmdirSync(path)
    else unlinkSync(path)
    return true
  } catch (error) {
    if (errnoOf(error) === 'ENOTEMPTY' || errnoOf(error) === 'EEXIST') return false
    throw error
  }
}
