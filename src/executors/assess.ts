import { mkdirSync } from 'node:fs'
import { release } from 'node:os'
import { getSystemErrorName } from 'node:util'
import type { Job } from '../core/index.ts'
import { type MapKind, type NativeHelper, type ProbeItem, probeEnvironment } from '../native/index.ts'
import { directoryFinding } from './directory-finding.ts'
import { currentUser, subordinateIds } from './enter-namespace.ts'
import type { Executor } from './executor.ts'
import { explainRefusal, type Settings } from './explain-refusal.ts'
import { emulationFinding } from './find-emulators.ts'
import { findRuntime, RUNTIME_REMEDY } from './find-runtime.ts'
import { readSettings } from './read-settings.ts'
import { type RungFinding, rungFindings } from './rungs.ts'
import { type MappingProblem, tryMapping } from './try-mapping.ts'
import { tryRuntime } from './try-runtime.ts'

/** Something that the environment does or does not give, and what would mend it. */
export interface Finding {
  readonly name: string
  readonly ok: boolean
  readonly detail: string
  readonly remedy?: string
}

/**
 * Whether an executor can be used here, and if not which call or file said no. `variant` is the weaker form that is
 * left of it; then reason and remedy are those of the stronger one.
 */
export interface ExecutorFinding {
  readonly name: Executor['name']
  readonly variant?: 'one id' | 'chroot'
  readonly usable: boolean
  readonly reason?: string
  readonly remedy?: string
}

export interface Assessment {
  readonly findings: readonly Finding[]
  readonly executors: readonly ExecutorFinding[]
  readonly rungs: readonly RungFinding[]
}

export interface AssessOptions {
  readonly helper: NativeHelper
  /** Where root file systems would lie. */
  readonly directory: string
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** Finds out by trying what this environment allows. Nothing is left behind. */
export async function assessEnvironment(
  { helper, directory, environment }: AssessOptions,
  job: Job,
): Promise<Assessment> {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const items = await probeEnvironment(helper, directory)
  const isRoot = currentUser().uid === 0
  const settings = readSettings(isRoot)
  const namespaces = namespaceFinding(items, settings)
  const range = isRoot ? undefined : rangeFinding(await tryMapping({ helper, environment }, job))
  const mounts = mountFinding(items, settings)
  const ownerRecords = isRoot ? undefined : recordFinding(items, directory)
  const records = range?.ok === false ? ownerRecords : undefined
  const overlay = overlayFinding(items, isRoot, directory)
  const { isNoexec, ...place } = directoryFinding(directory)
  const open = [namespaces, mounts, ...(isNoexec && !overlay.ok ? [place] : [])].find(({ ok }) => !ok)
  const tracing = tracingFinding(items, directory)
  const chroot = isRoot && open !== undefined ? chrootFinding(items) : undefined
  const runtime = await runtimeFinding({ helper, directory, environment }, open ?? range, job)
  const findings = [
    userFinding(),
    namespaces,
    ...(range === undefined ? [] : [range]),
    ...(records === undefined ? [] : [records]),
    mounts,
    ...(chroot === undefined ? [] : [chroot]),
    overlay,
    ...(overlay.ok ? [] : [place]),
    emulationFinding(
      items.some(({ name, ok }) => name === 'binfmt-misc' && ok),
      environment,
    ),
    ...(isRoot ? [] : [tracing]),
    runtime,
  ]
  const blocked = open ?? (range?.ok === false ? range : undefined)
  const own = isRoot
    ? (rootChrootFinding(blocked, chroot) ?? ownFinding('local', chroot ?? blocked))
    : (oneIdFinding(blocked, range, records) ?? ownFinding('rootless', blocked))
  const executors = executorFindings({ isRoot, own, blocked, tracing, runtime })
  const rungs = rungFindings({ executors, isRoot, blocked: open, range, records: ownerRecords })
  return { findings, executors, rungs }
}

function ownFinding(name: 'local' | 'rootless', blocked: Finding | undefined): ExecutorFinding {
  return blocked === undefined ? { name, usable: true } : unusable(name, blocked)
}

/** Whether root can do without namespaces and mounts. Nothing is left behind. */
export async function canChroot(helper: NativeHelper, directory: string): Promise<boolean> {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  return failure(await probeEnvironment(helper, directory), FOR_CHROOT) === undefined
}

const FOR_CHROOT: readonly ProbeItem['name'][] = ['chroot', 'user-notify', 'descriptors-given']

/** What takes the place of namespaces and mounts for root. */
function chrootFinding(items: readonly ProbeItem[]): Finding {
  const name = 'chroot'
  const failed = failure(items, FOR_CHROOT)
  if (failed === undefined) return { name, ok: true, detail: 'works without namespaces and mounts' }
  return {
    name,
    ok: false,
    detail: describe(failed),
    remedy:
      failed.name === 'chroot'
        ? 'Run the container with --cap-add SYS_CHROOT, which containers have unless they are told otherwise'
        : 'Use Linux 5.9 or newer, with no supervisor of system calls (seccomp user notification) above the build',
  }
}

function rootChrootFinding(
  blocked: Finding | undefined,
  chroot: Finding | undefined,
): ExecutorFinding | undefined {
  if (blocked === undefined || chroot?.ok !== true) return undefined
  return { ...unusable('local', blocked), variant: 'chroot', usable: true }
}

/** Where only the range is missing, and owners can be recorded. */
function oneIdFinding(
  blocked: Finding | undefined,
  range: Finding | undefined,
  records: Finding | undefined,
): ExecutorFinding | undefined {
  if (blocked === undefined || blocked !== range) return undefined
  if (records?.ok !== true) return records === undefined ? undefined : unusable('rootless', records)
  return { ...unusable('rootless', range), variant: 'one id', usable: true }
}

interface Found {
  readonly isRoot: boolean
  readonly own: ExecutorFinding
  readonly blocked: Finding | undefined
  readonly tracing: Finding
  readonly runtime: Finding
}

function executorFindings({ isRoot, own, blocked, tracing, runtime }: Found): readonly ExecutorFinding[] {
  const other: ExecutorFinding = isRoot
    ? { name: 'rootless', usable: false, reason: 'it is for ordinary users, and this is root' }
    : { name: 'local', usable: false, reason: 'it needs root, and this is an ordinary user' }
  const problem = blocked ?? (runtime.ok ? undefined : runtime)
  const container: ExecutorFinding =
    problem === undefined ? { name: 'container', usable: true } : unusable('container', problem)
  const traced: ExecutorFinding = isRoot
    ? { name: 'traced', usable: false, reason: 'it is for ordinary users, and this is root' }
    : tracing.ok
      ? { name: 'traced', usable: true }
      : unusable('traced', tracing)
  return isRoot ? [own, other, traced, container] : [other, own, traced, container]
}

function unusable(name: Executor['name'], { name: what, detail, remedy }: Finding): ExecutorFinding {
  return { name, usable: false, reason: `${what}: ${detail}`, ...(remedy === undefined ? {} : { remedy }) }
}

function userFinding(): Finding {
  const { name, uid } = currentUser()
  return { name: 'user', ok: true, detail: `${name} (uid ${uid}), Linux ${release()}` }
}

function namespaceFinding(items: readonly ProbeItem[], settings: Settings): Finding {
  const name = settings.isRoot ? 'namespaces' : 'user namespaces'
  const failed = failure(
    items,
    settings.isRoot ? ['mount-namespace', 'pid-namespace'] : ['user-namespace', 'user-proc'],
  )
  return failed === undefined ? { name, ok: true, detail: 'can be made' } : refused(name, failed, settings)
}

function refused(name: string, item: ProbeItem, settings: Settings): Finding {
  const refusal = { step: item.step ?? item.name, code: errorName(item.errno) }
  const { meaning, remedy } = explainRefusal(refusal, settings)
  return { name, ok: false, detail: `${describe(item)}: ${meaning}`, remedy }
}

function rangeFinding(problem: MappingProblem | undefined): Finding {
  if (problem !== undefined) return { name: 'id range', ok: false, ...problem }
  const ranges = subordinateIds(currentUser())?.uidRanges ?? []
  return {
    name: 'id range',
    ok: true,
    detail: ranges.map(({ first, count }) => `${count} ids from ${first}`).join(', '),
  }
}

/** What a build without a range of ids needs in its place (c/owner.h). */
function recordFinding(items: readonly ProbeItem[], directory: string): Finding {
  const name = 'owner records'
  const failed = failure(items, ['user-notify', 'owner-records'])
  if (failed === undefined) return { name, ok: true, detail: 'can be kept where there is no id range' }
  if (failed.name === 'user-notify')
    return {
      name,
      ok: false,
      detail: `${describe(failed)}: system calls can't be supervised`,
      remedy: 'Use Linux 5.5 or newer, or give the user a range of subordinate ids',
    }
  return {
    name,
    ok: false,
    detail: `${describe(failed)}: the file system of ${directory} has no place for them`,
    remedy:
      'Use a --cache-dir on ext4, xfs or btrfs, or on a tmpfs of Linux 6.6 or newer, not mounted strictatime',
  }
}

/** What is left where no namespace can be made. */
function tracingFinding(items: readonly ProbeItem[], directory: string): Finding {
  const name = 'tracing'
  const failed = failure(items, ['trace'])
  if (failed !== undefined)
    return {
      name,
      ok: false,
      detail: `${describe(failed)}: processes can't be traced`,
      remedy: 'Allow ptrace and seccomp to processes (kernel.yama.ptrace_scope below 3, Docker on Linux 4.8)',
    }
  const records = recordFinding(
    items.filter((item) => item.name !== 'user-notify'),
    directory,
  )
  return records.ok
    ? { name, ok: true, detail: 'can be used where no namespace can be made' }
    : { ...records, name }
}

function mountFinding(items: readonly ProbeItem[], settings: Settings): Finding {
  const failed = failure(items, settings.isRoot ? ['mount-namespace'] : ['user-mount'])
  return failed === undefined
    ? { name: 'mounts', ok: true, detail: 'can be made' }
    : refused('mounts', failed, settings)
}

function overlayFinding(items: readonly ProbeItem[], isRoot: boolean, directory: string): Finding {
  const failed = failure(items, isRoot ? ['overlay'] : ['user-overlay'])
  if (failed === undefined) return { name: 'overlay', ok: true, detail: 'steps start without a copy' }
  return {
    name: 'overlay',
    ok: false,
    detail: `${describe(failed)}: each stage copies its base`,
    remedy: `use a --cache-dir that is not itself on an overlay (now ${directory}), on Linux 5.11 or newer`,
  }
}

/** Tried with a real process, unless something is known to be in the way. */
async function runtimeFinding(
  { helper, directory, environment }: AssessOptions,
  obstacle: Finding | undefined,
  job: Job,
): Promise<Finding> {
  const name = 'OCI runtime'
  const runtime = findRuntime(environment)
  if (runtime === undefined)
    return { name, ok: false, detail: 'neither crun nor runc is on PATH', remedy: RUNTIME_REMEDY }
  if (obstacle?.ok === false) return { name, ok: true, detail: `${runtime} (not tried)` }
  const ids = currentUser().uid === 0 ? undefined : subordinateIds(currentUser())
  const map: MapKind = ids === undefined ? { kind: 'root' } : { kind: 'user', ...ids }
  const reason = await tryRuntime({ helper, runtime, map, directory }, job)
  if (reason === undefined) return { name, ok: true, detail: runtime }
  const remedy = 'Build with --executor auto, or install another runtime (crun, runc) in its place'
  return { name, ok: false, detail: `${runtime}: ${reason}`, remedy }
}

function failure(items: readonly ProbeItem[], names: readonly ProbeItem['name'][]): ProbeItem | undefined {
  return items.find((item) => names.includes(item.name) && !item.ok)
}

/** The call and the name of its error. */
function describe({ name, step, errno }: ProbeItem): string {
  return `${step ?? name}: ${errorName(errno)}`
}

function errorName(errno: number | undefined): string {
  try {
    return errno === undefined ? 'failed' : getSystemErrorName(-errno)
  } catch {
    return `errno ${errno}`
  }
}
