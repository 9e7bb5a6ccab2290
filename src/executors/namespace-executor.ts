import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Job } from '../core/index.ts'
import { lookupUser } from '../fs/index.ts'
import { type NativeHelper, type RunLimit, runInRoot } from '../native/index.ts'
import type { Executor, ProcessResult, ProcessSpec } from './executor.ts'
import { machineDevices } from './machine-devices.ts'
import { networkMounts } from './network-files.ts'
import { environmentOf } from './process-environment.ts'
import { limitsOf, type ProcessLimit, resourceNumber } from './process-limits.ts'
import { tryToRun } from './trial-run.ts'

export interface NamespaceExecutorOptions {
  /** `local` for root, `rootless` inside a user namespace: the same from here on. */
  readonly name: 'local' | 'rootless'
  readonly helper: NativeHelper
  /** Where the files that a process sees in /etc are written while it runs. */
  readonly scratch: () => string
}

/**
 * Runs a process by pivot_root in new mount, pid, ipc, uts and cgroup namespaces of the namespace that the builder
 * itself entered at its start.
 */
export function createNamespaceExecutor({ name, helper, scratch }: NamespaceExecutorOptions): Executor {
  const run = async (process: ProcessSpec, rootfs: string, job: Job): Promise<ProcessResult> => {
    const user = lookupUser(rootfs, process.user)
    const files = mkdtempSync(join(scratch(), 'etc-'))
    try {
      return await runInRoot(
        helper,
        {
          root: rootfs,
          args: process.args,
          env: environmentOf(process, user),
          cwd: process.cwd,
          uid: user.uid,
          gid: user.gid,
          groups: user.groups,
          hostname: process.hostname,
          network: process.network === 'none' ? 'none' : 'host',
          security: process.security,
          shmSize: process.shmSize,
          limits: limitsOf(process.limits).map(runLimit),
          mounts: [...networkMounts(process, files), ...machineDevices(process, name), ...process.mounts],
        },
        (stream, chunk) => job.emit({ type: 'log', stream, chunk }),
        job,
      )
    } finally {
      rmSync(files, { recursive: true, force: true })
    }
  }
  return { name, probe: () => tryToRun(run, { helper, directory: scratch() }), run }
}

function runLimit({ name, soft, hard }: ProcessLimit): RunLimit {
  return {
    name,
    resource: resourceNumber(name),
    ...(soft === -1 ? {} : { soft }),
    ...(hard === -1 ? {} : { hard }),
  }
}
