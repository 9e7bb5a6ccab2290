import type { Job } from '../core/index.ts'
import type { ProcessLimit } from './process-limits.ts'

/** Something of the host that a process sees inside its root file system. Targets are absolute paths inside the root. */
export type ProcessMount =
  | { readonly type: 'bind'; readonly source: string; readonly target: string; readonly readonly: boolean }
  | { readonly type: 'tmpfs'; readonly target: string; readonly size?: number }

/** A process to run in a root file system. Ids are those inside the root. */
export interface ProcessSpec {
  readonly args: readonly string[]
  /** `NAME=value`; the whole environment, nothing is added but HOME and HOSTNAME where they are absent. */
  readonly env: readonly string[]
  /** Absolute inside the root; created (0755, root) where it is missing. */
  readonly cwd: string
  /** As USER gives it: `name|uid[:group|gid]`, "" is root; resolved against the root's own /etc/passwd and /etc/group. */
  readonly user: string
  readonly hostname: string
  readonly network: 'default' | 'none' | 'host'
  readonly security: 'sandbox' | 'insecure'
  readonly mounts: readonly ProcessMount[]
  /** Extra lines for the process's /etc/hosts. */
  readonly extraHosts: readonly { readonly name: string; readonly address: string }[]
  /** Size of /dev/shm in bytes. */
  readonly shmSize: number
  /** Without one for "nofile", the soft limit of open files is 1024. */
  readonly limits: readonly ProcessLimit[]
  /** A user namespace below this process's, as a path, in which it runs. */
  readonly userNamespace?: string
}

/** How a process ended: its status (128 + signal number for a signal), never thrown. */
export interface ProcessResult {
  readonly exitCode: number
  readonly signal?: string
}

export type Probe =
  | { readonly usable: true }
  | { readonly usable: false; readonly reason: string; readonly remedy?: string }

/** A way to run a process in a root file system. */
export interface Executor {
  readonly name: 'local' | 'rootless' | 'container'
  /** Tries what a run needs, for real; never decides by a name or a version. */
  probe(): Promise<Probe>
  /**
   * Runs the process to its end, output as `log` events, and ends everything that it started. When this returns the
   * root holds only what the process itself changed: no mount, no mount point, no stub of the executor.
   * @throws OssbError ERR_OSSB_EXECUTOR when the process could not be started for a reason of the environment,
   *   or job.signal.reason
   */
  run(process: ProcessSpec, rootfs: string, job: Job): Promise<ProcessResult>
}
