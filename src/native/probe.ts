import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { OssbError } from '../core/index.ts'
import type { NativeHelper } from './helper.ts'
import { type ErrorEvent, readEvents } from './helper-event.ts'
import type { IdRange } from './id-range.ts'
import { spawnMapped } from './spawn-mapped.ts'

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
 * - `subordinate-ids`: a user namespace with the ranges that were given, through newuidmap and newgidmap
 * - `chroot`, `mknod` (a device), `ptrace`, `user-notify` (a seccomp filter with a supervisor): as this user
 * - `descriptors-given`: what such a supervisor opens becomes an open file of the process (Linux 5.9)
 * - `trace`: a traced process whose calls a filter stops, as a run without namespaces needs it
 * - `owner-records`: what takes the place of owners (c/owner.h), on the file system of the directory
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
  | 'subordinate-ids'
  | 'binfmt-misc'
  | 'chroot'
  | 'mknod'
  | 'ptrace'
  | 'user-notify'
  | 'trace'
  | 'owner-records'
  | 'descriptors-given'

export interface ProbeRanges {
  readonly uidRanges: readonly IdRange[]
  readonly gidRanges: readonly IdRange[]
}

/**
 * Tries each thing in a process of its own; leaves nothing behind.
 * @param directory where an overlay's layers would lie; must be writable
 * @param ranges subordinate ids to be tried as well
 */
export async function probeEnvironment(
  helper: NativeHelper,
  directory: string,
  ranges?: ProbeRanges,
): Promise<readonly ProbeItem[]> {
  const items = await probeHere(helper, directory)
  return ranges === undefined ? items : [...items, await probeRanges(helper, ranges)]
}

async function probeRanges(helper: NativeHelper, ranges: ProbeRanges): Promise<ProbeItem> {
  const options = { kind: 'user', ...ranges, env: {}, stdio: 'ignore' } as const
  const name = 'subordinate-ids'
  try {
    await spawnMapped(helper, options, [helper.path, 'help']).exited
    return { name, ok: true }
  } catch (error) {
    const cause = error instanceof Error ? (error.cause as Partial<ErrorEvent> | undefined) : undefined
    return { name, ok: false, step: cause?.step ?? 'map', errno: cause?.errno ?? 0 }
  }
}

async function probeHere(helper: NativeHelper, directory: string): Promise<readonly ProbeItem[]> {
  const child = spawn(helper.path, ['probe', directory], { env: {}, stdio: ['ignore', 'pipe', 'ignore'] })
  try {
    const [lines] = await Promise.all([readEvents(child.stdout), once(child, 'close')])
    return lines as unknown as readonly ProbeItem[]
  } catch (cause) {
    throw new OssbError('ERR_OSSB_EXECUTOR', `Cannot start the native helper "${helper.path}"`, { cause })
  }
}
