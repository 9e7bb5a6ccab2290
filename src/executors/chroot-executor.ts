import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, type Stats, statSync } from 'node:fs'
import { join } from 'node:path'
import { type Job, OssbError } from '../core/index.ts'
import { lookupUser } from '../fs/index.ts'
import { type FileSession, type NativeHelper, runInRoot } from '../native/index.ts'
import type { Executor, ProcessMount, ProcessResult, ProcessSpec } from './executor.ts'
import { networkMounts } from './network-files.ts'
import { runSpecOf } from './run-spec-of.ts'
import { tryToRun } from './trial-run.ts'

export interface ChrootExecutorOptions {
  readonly helper: NativeHelper
  readonly session: FileSession
  /** On the file system that root file systems, and whatever is mounted writable, lie on too. */
  readonly scratch: () => string
  /** Copies a tree exactly into an empty directory. */
  readonly copyTree: (from: string, to: string, job: Job) => Promise<void>
  /** Held while something writable is shown to a process, as that is then nowhere else. */
  readonly claim: (job: Job) => Promise<AsyncDisposable | undefined>
}

/**
 * Runs a process by chroot alone, for root in a container that allows neither namespaces nor mounts. What is mounted
 * elsewhere is moved to its place for the time being: a copy where it is read-only, the thing itself where it is not.
 */
export function createChrootExecutor(options: ChrootExecutorOptions): Executor {
  const { helper, scratch } = options
  const run = async (process: ProcessSpec, rootfs: string, job: Job): Promise<ProcessResult> => {
    const directory = mkdtempSync(join(scratch(), 'run-'))
    try {
      await using _claim = process.mounts.some(isWritable) ? await options.claim(job) : undefined
      return await runIn(directory, process, rootfs, options, job)
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  }
  return { name: 'local', probe: () => tryToRun(run, { helper, directory: scratch() }), run }
}

async function runIn(
  directory: string,
  process: ProcessSpec,
  rootfs: string,
  options: ChrootExecutorOptions,
  job: Job,
): Promise<ProcessResult> {
  const [etc, holding] = [join(directory, 'etc'), join(directory, 'aside')]
  for (const path of [etc, holding]) mkdirSync(path)
  const mounts: ProcessMount[] = [...networkMounts(process, etc)]
  for (const [index, mount] of process.mounts.entries())
    mounts.push(await ownMount(mount, join(directory, `copy-${index}`), options, job))
  const user = lookupUser(rootfs, process.user)
  return await runInRoot(
    options.helper,
    { ...runSpecOf({ ...process, mounts }, user, rootfs), holding },
    (stream, chunk) => job.emit({ type: 'log', stream, chunk }),
    job,
  )
}

function isWritable(mount: ProcessMount): boolean {
  return mount.type === 'bind' && !mount.readonly
}

function statusOf(source: string): Stats {
  try {
    return statSync(source)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new OssbError('ERR_OSSB_EXECUTOR', `Cannot mount "${source}": ${reason}`, { cause: error })
  }
}

/** A copy of what must not be changed. A socket can't be copied, nor changed by who connects to it. */
async function ownMount(
  mount: ProcessMount,
  copy: string,
  { session, copyTree }: ChrootExecutorOptions,
  job: Job,
): Promise<ProcessMount> {
  if (mount.type !== 'bind' || !mount.readonly) return mount
  const stats = statusOf(mount.source)
  if (stats.isSocket()) return mount
  if (stats.isDirectory()) {
    mkdirSync(copy)
    await copyTree(mount.source, copy, job)
  } else {
    copyFileSync(mount.source, copy)
    await session.batch(session.chown(copy, stats), job)
    chmodSync(copy, stats.mode & 0o7777)
  }
  return { ...mount, source: copy }
}
