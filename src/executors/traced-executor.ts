import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { type Job, OssbError } from '../core/index.ts'
import { lookupUser, removeTree } from '../fs/index.ts'
import { type FileSession, type NativeHelper, runInRoot } from '../native/index.ts'
import type { Executor, ProcessResult, ProcessSpec } from './executor.ts'
import { makeMountPoints } from './mount-points.ts'
import { keepFiles } from './namespace-executor.ts'
import { runSpecOf } from './run-spec-of.ts'
import { tryToRun } from './trial-run.ts'
import { withoutAbort } from './without-abort.ts'

export interface TracedExecutorOptions {
  readonly helper: NativeHelper
  readonly session: FileSession
  /** A place for what processes see beside their root; removed by whoever gives it. */
  readonly scratch: () => string
}

/**
 * Runs a process where neither namespaces nor a chroot are to be had: a supervisor traces it and all that it starts, and
 * answers those system calls that name files, users or processes as if the root file system were theirs. It keeps
 * programs apart that mean no harm: what they run as is the user that builds.
 */
export function createTracedExecutor({ helper, session, scratch }: TracedExecutorOptions): Executor {
  const filesOf = keepFiles(scratch)
  const run = async (process: ProcessSpec, rootfs: string, job: Job): Promise<ProcessResult> => {
    refuseImpossible(process)
    const user = lookupUser(rootfs, process.user)
    const mounts = [...filesOf(process), ...process.mounts]
    const points = await makeMountPoints({ rootfs, mounts, cwd: process.cwd, session }, job)
    const own = mkdtempSync(join(scratch(), 'traced-'))
    try {
      return await runInRoot(
        helper,
        { ...runSpecOf({ ...process, mounts: points.mounts }, user, rootfs), traced: { scratch: own } },
        (stream, chunk) => job.emit({ type: 'log', stream, chunk }),
        job,
      )
    } finally {
      await points.remove(withoutAbort(job))
      removeTree(own)
    }
  }
  return { name: 'traced', probe: () => tryToRun(run, { helper, directory: scratch() }), run }
}

function refuseImpossible({ security, mounts }: ProcessSpec): void {
  const limited = mounts.find((mount) => mount.type === 'tmpfs' && mount.size !== undefined)
  const what =
    security === 'insecure'
      ? 'with --security=insecure'
      : limited === undefined
        ? undefined
        : `with a size of the tmpfs on "${limited.target}"`
  if (what === undefined) return
  throw new OssbError(
    'ERR_OSSB_EXECUTOR',
    `Cannot run a process ${what}: the executor "traced" has no such thing`,
    {
      hint: '"ossb doctor" says what a stronger executor needs here.',
    },
  )
}
