import { chmodSync, lstatSync, mkdirSync, rmdirSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { type Job, OssbError } from '../core/index.ts'
import { lstatIfPresent, resolveInRoot } from '../fs/index.ts'
import type { FileOperation, FileSession } from '../native/index.ts'
import type { ProcessMount } from './executor.ts'

/** The mount points of a process, made in its root where they were missing. */
export interface MountPoints {
  /** The mounts with their targets as they are without symbolic links. */
  readonly mounts: readonly ProcessMount[]
  /** Takes away what was made and is still as it was made; the directories above keep the times they have by then. */
  remove(job: Job): Promise<void>
}

interface MountPointsOptions {
  readonly rootfs: string
  readonly mounts: readonly ProcessMount[]
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
  { rootfs, mounts, session }: MountPointsOptions,
  job: Job,
): Promise<MountPoints> {
  const stubs: Stub[] = []
  const remove = (last: Job) => removeStubs(rootfs, stubs.splice(0), session, last)
  const covered: string[] = []
  const resolved: ProcessMount[] = []
  try {
    for (const path of KERNEL) {
      refuseOther(rootfs, path)
      stubs.push(...(await makePath(join(rootfs, path), 'directory', session, job)))
      covered.push(path)
    }
    for (const mount of mounts) {
      const path = resolveInRoot(rootfs, mount.target, { last: 'follow' })
      const target = `/${relative(rootfs, path)}`
      if (!covered.some((above) => isBelow(target, above)))
        stubs.push(...(await makePath(path, kindOf(mount), session, job)))
      covered.push(target)
      resolved.push({ ...mount, target })
    }
  } catch (error) {
    await remove({ ...job, signal: new AbortController().signal })
    throw error
  }
  return { mounts: resolved, remove }
}

/** A link here could put the kernel's file systems, and what hides parts of them, anywhere in the image. */
function refuseOther(rootfs: string, path: string): void {
  const found = lstatIfPresent(join(rootfs, path))
  if (found === undefined || found.isDirectory()) return
  throw new OssbError('ERR_OSSB_EXECUTOR', `Cannot run a process in the image: its "${path}" is not a directory`)
}

function isBelow(path: string, above: string): boolean {
  return path === above || path.startsWith(above === '/' ? '/' : `${above}/`)
}

function kindOf(mount: ProcessMount): 'directory' | 'file' {
  return mount.type === 'bind' && !statSync(mount.source).isDirectory() ? 'file' : 'directory'
}

/** Makes what is missing of a path; each directory in which something is made gets its time back at once. */
async function makePath(
  path: string,
  kind: 'directory' | 'file',
  session: FileSession,
  job: Job,
): Promise<readonly Stub[]> {
  const existing = lstatIfPresent(path)
  if (existing !== undefined) {
    if (existing.isDirectory() === (kind === 'directory')) return []
    throw new OssbError('ERR_OSSB_EXECUTOR', `Cannot mount on "${path}": it is ${kind === 'file' ? 'a' : 'no'} directory`)
  }
  const parent = dirname(path)
  const above = await makePath(parent, 'directory', session, job)
  const time = timeOf(parent)
  if (kind === 'directory') mkdirSync(path)
  else writeFileSync(path, '', { flag: 'wx' })
  chmodSync(path, kind === 'directory' ? 0o755 : 0o644)
  await session.batch([time], job)
  return [...above, { path, identity: identityOf(path) }]
}

/** The operation that gives a directory the time that it has now. */
function timeOf(path: string): FileOperation {
  return { type: 'settimes', path, mtimeNs: lstatSync(path, { bigint: true }).mtimeNs }
}

/** What a file is told by, and what changes when somebody changes it. The time of a directory counts for nothing. */
function identityOf(path: string): string {
  const { dev, ino, mode, uid, gid, nlink, size, mtimeNs, ...stats } = lstatSync(path, { bigint: true })
  return [dev, ino, mode, uid, gid, ...(stats.isDirectory() ? [] : [nlink, size, mtimeNs])].join(' ')
}

/** The process may have put links in the way since: what is not where it was is not touched. */
async function removeStubs(
  rootfs: string,
  stubs: readonly Stub[],
  session: FileSession,
  job: Job,
): Promise<void> {
  for (const { path, identity } of stubs.toReversed()) {
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
  } catch {
    return false
  }
}
