import { readFileSync, statSync } from 'node:fs'
import { type Job, OssbError } from '../core/index.ts'
import {
  type IdRange,
  type IdRangeOwner,
  type MapKind,
  type NativeHelper,
  readIdRanges,
  spawnMapped,
} from '../native/index.ts'

/** How a process stands to the namespaces that a build needs; `chroot` and `traced` do without any. */
export type NamespaceKind = 'local' | 'rootless' | 'chroot' | 'traced'

/** The variable by which the process inside knows that it is inside, and in what. */
export const NAMESPACE_VARIABLE = 'OSSB_NAMESPACE'

/** `none` leaves the user's subordinate ids unused, as if there were none. */
export const ID_RANGE_VARIABLE = 'OSSB_ID_RANGE'

export interface EnterOptions {
  readonly kind: NamespaceKind
  readonly helper: NativeHelper
  readonly command: readonly [string, ...string[]]
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Whether an ordinary user may do without subordinate ids, with owners on record only. */
  readonly oneId: 'allowed' | 'refused'
}

/**
 * Runs the builder once more inside its own mount namespace and, for an ordinary user, a user namespace in which the
 * user's subordinate ids are real owners; where those can't be had, in one with the user's own id alone. All mounts end
 * with it, however it ends.
 * @returns its exit status
 */
export async function enterNamespace(options: EnterOptions, job: Job): Promise<number> {
  const map = mapOf(options)
  try {
    return await enterMapped(map, options, job)
  } catch (error) {
    if (map.kind !== 'user' || options.oneId === 'refused' || !isMapperFailure(error)) throw error
    return await enterMapped({ kind: 'one-id' }, options, job)
  }
}

/** The programs that write the map said no, before anything was started. */
function isMapperFailure(error: unknown): boolean {
  return /^new[ug]idmap$/.test(failedStep(error))
}

/** The kernel said no to the namespace itself, before anything was started. */
export function isNamespaceRefused(error: unknown): boolean {
  return ['unshare', 'make mounts private', 'write'].includes(failedStep(error))
}

function failedStep(error: unknown): string {
  const cause =
    error instanceof OssbError ? (error.cause as { readonly step?: unknown } | undefined) : undefined
  return typeof cause?.step === 'string' ? cause.step : ''
}

async function enterMapped(
  map: MapKind,
  { kind, helper, command, environment }: EnterOptions,
  job: Job,
): Promise<number> {
  job.signal.throwIfAborted()
  const env = { ...environment, [NAMESPACE_VARIABLE]: kind }
  const inside = spawnMapped(helper, { ...map, env }, command)
  const stop = () => inside.kill('SIGTERM')
  job.signal.addEventListener('abort', stop, { once: true })
  try {
    return await inside.exited
  } finally {
    job.signal.removeEventListener('abort', stop)
  }
}

function mapOf({ kind, environment, oneId }: EnterOptions): MapKind {
  if (kind === 'local') return { kind: 'root' }
  if (kind === 'chroot' || kind === 'traced') return { kind: 'none' }
  const ids = hidesRange(environment) ? undefined : subordinateIds(currentUser())
  if (ids !== undefined) return { kind: 'user', ...ids }
  if (oneId === 'allowed') return { kind: 'one-id' }
  const user = currentUser()
  throw new OssbError(
    'ERR_OSSB_EXECUTOR',
    `Cannot build as the user ${user.name}: /etc/subuid and /etc/subgid give it no subordinate ids`,
    { hint: `As root: apt-get install uidmap && ${rangeRemedy(user)}` },
  )
}

export function hidesRange(environment: EnterOptions['environment']): boolean {
  return environment[ID_RANGE_VARIABLE] === 'none'
}

/** The user's subordinate ranges, or undefined where one of the two files has none for it. */
export function subordinateIds(
  user: IdRangeOwner,
  files: { readonly uids: string; readonly gids: string } = { uids: '/etc/subuid', gids: '/etc/subgid' },
): { readonly uidRanges: readonly IdRange[]; readonly gidRanges: readonly IdRange[] } | undefined {
  const uidRanges = readIdRanges(files.uids, user)
  const gidRanges = readIdRanges(files.gids, user)
  return uidRanges.length === 0 || gidRanges.length === 0 ? undefined : { uidRanges, gidRanges }
}

/** The command, for root, that gives a user a range in both files. */
export function rangeRemedy({ name }: IdRangeOwner): string {
  return `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${name}`
}

/** Who this process is. A user without an entry in /etc/passwd has its number for a name. */
export function currentUser(): IdRangeOwner {
  const { uid } = statSync('/proc/self')
  return { uid, name: nameOf(uid) ?? String(uid) }
}

function nameOf(uid: number): string | undefined {
  try {
    const lines = readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .map((line) => line.split(':'))
    return lines.find((fields) => fields[2] === String(uid))?.[0]
  } catch {
    return undefined
  }
}
