import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { OssbError } from '../core/index.ts'
import type { NativeHelper } from './helper.ts'
import { readEvents } from './helper-event.ts'

/** Something that this environment does or does not allow, found out by doing it. */
export interface ProbeItem {
  readonly name: ProbeName
  readonly ok: boolean
  /** The call that failed. */
  readonly step?: string
  /** Its error number. */
  readonly errno?: number
}

/**
 * - `mount-namespace`: a mount namespace and a bind mount, as the user that this process is
 * - `pid-namespace`, `network-namespace`: the same way
 * - `user-namespace`: one with this user's own id alone; `user-mount`, `user-proc`, `user-overlay`: within one, a bind
 *   mount, a fresh /proc in a new pid namespace, an overlay with `userxattr` whose layers lie in the directory
 * - `overlay`: that overlay as the user that this process is
 * - `binfmt-misc`: a registry of interpreters of one's own, within a user namespace (Linux 6.7)
 * - `chroot`, `mknod` (a device), `ptrace`, `user-notify` (a seccomp filter with a supervisor): as this user
 */
export type ProbeName =
  | 'mount-namespace'
  | 'pid-namespace'
  | 'network-namespace'
  | 'user-namespace'
  | 'user-mount'
  | 'user-proc'
  | 'user-overlay'
  | 'overlay'
  | 'binfmt-misc'
  | 'chroot'
  | 'mknod'
  | 'ptrace'
  | 'user-notify'

/**
 * Tries each thing in a process of its own; leaves nothing behind.
 * @param directory where an overlay's layers would lie; must be writable
 */
export async function probeEnvironment(
  helper: NativeHelper,
  directory: string,
): Promise<readonly ProbeItem[]> {
  const child = spawn(helper.path, ['probe', directory], { env: {}, stdio: ['ignore', 'pipe', 'ignore'] })
  try {
    const [lines] = await Promise.all([readEvents(child.stdout), once(child, 'close')])
    return lines as unknown as readonly ProbeItem[]
  } catch (cause) {
    throw new OssbError('ERR_OSSB_EXECUTOR', `Cannot start the native helper "${helper.path}"`, { cause })
  }
}
