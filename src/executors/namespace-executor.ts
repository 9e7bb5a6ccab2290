import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import type { Job } from '../core/index.ts'
import { lookupUser } from '../fs/index.ts'
import { type NativeHelper, runInRoot } from '../native/index.ts'
import type { Executor, ProcessMount, ProcessResult, ProcessSpec } from './executor.ts'
import { machineDevices } from './machine-devices.ts'
import { hostsFile, networkMounts, resolverFile } from './network-files.ts'
import { runSpecOf } from './run-spec-of.ts'
import { tryToRun } from './trial-run.ts'

export interface NamespaceExecutorOptions {
  /** `local` for root, `rootless` inside a user namespace: the same from here on. */
  readonly name: 'local' | 'rootless'
  readonly helper: NativeHelper
  /** A place for the files that processes see in /etc, which stay there; removed by whoever gives it. */
  readonly scratch: () => string
}

/**
 * Runs a process by pivot_root in new mount, pid, ipc, uts and cgroup namespaces of the namespace that the builder
 * itself entered at its start.
 */
export function createNamespaceExecutor({ name, helper, scratch }: NamespaceExecutorOptions): Executor {
  const filesOf = keepFiles(scratch)
  const run = async (process: ProcessSpec, rootfs: string, job: Job): Promise<ProcessResult> => {
    const user = lookupUser(rootfs, process.user)
    return await runInRoot(
      helper,
      runSpecOf(
        { ...process, mounts: [...filesOf(process), ...machineDevices(process, name), ...process.mounts] },
        user,
        rootfs,
      ),
      (stream, chunk) => job.emit({ type: 'log', stream, chunk }),
      job,
    )
  }
  return { name, probe: () => tryToRun(run, { helper, directory: scratch() }), run }
}

/**
 * The files of /etc that are a process's own. Equal ones are written once, as they are mounted read-only: but a process
 * that may change mounts gets some that no other will see.
 */
export function keepFiles(scratch: () => string): (process: ProcessSpec) => readonly ProcessMount[] {
  const kept = new Map<string, readonly ProcessMount[]>()
  const write = (process: ProcessSpec) => networkMounts(process, mkdtempSync(join(scratch(), 'etc-')))
  return (process) => {
    if (process.security === 'insecure') return write(process)
    const content = JSON.stringify([hostsFile(process), resolverFile()])
    const mounts = kept.get(content) ?? write(process)
    kept.set(content, mounts)
    return mounts
  }
}
