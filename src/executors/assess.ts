import { mkdirSync } from 'node:fs'
import { release } from 'node:os'
import { getSystemErrorName } from 'node:util'
import type { Job } from '../core/index.ts'
import { type NativeHelper, type ProbeItem, probeEnvironment } from '../native/index.ts'
import { currentUser, subordinateIds } from './enter-namespace.ts'
import type { Executor } from './executor.ts'
import { explainRefusal, type Settings } from './explain-refusal.ts'
import { emulationFinding } from './find-emulators.ts'
import { findRuntime, RUNTIME_REMEDY } from './find-runtime.ts'
import { readSettings } from './read-settings.ts'
import { type MappingProblem, tryMapping } from './try-mapping.ts'

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
  readonly variant?: 'one id'
  readonly usable: boolean
  readonly reason?: string
  readonly remedy?: string
}

export interface Assessment {
  readonly findings: readonly Finding[]
  readonly executors: readonly ExecutorFinding[]
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
  const records = range?.ok === false ? recordFinding(items, directory) : undefined
  const runtime = runtimeFinding(environment)
  const findings = [
    userFinding(),
    namespaces,
    ...(range === undefined ? [] : [range]),
    ...(records === undefined ? [] : [records]),
    mounts,
    overlayFinding(items, isRoot, directory),
    emulationFinding(
      items.some(({ name, ok }) => name === 'binfmt-misc' && ok),
      environment,
    ),
    runtime,
  ]
  const blocked = [namespaces, mounts, range].find((finding) => finding?.ok === false)
  const own = isRoot
    ? ownFinding('local', blocked)
    : (oneIdFinding(blocked, range, records) ?? ownFinding('rootless', blocked))
  return { findings, executors: executorFindings(isRoot, own, blocked, runtime) }
}

function ownFinding(name: 'local' | 'rootless', blocked: Finding | undefined): ExecutorFinding {
  return blocked === undefined ? { name, usable: true } : unusable(name, blocked)
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

function executorFindings(
  isRoot: boolean,
  own: ExecutorFinding,
  blocked: Finding | undefined,
  runtime: Finding,
): readonly ExecutorFinding[] {
  const other: ExecutorFinding = isRoot
    ? { name: 'rootless', usable: false, reason: 'it is for ordinary users, and this is root' }
    : { name: 'local', usable: false, reason: 'it needs root, and this is an ordinary user' }
  const problem = blocked ?? (runtime.ok ? undefined : runtime)
  const container: ExecutorFinding =
    problem === undefined ? { name: 'container', usable: true } : unusable('container', problem)
  return isRoot ? [own, other, container] : [other, own, container]
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
    detail: `${describe(failed)}: each step copies the root file system`,
    remedy: `use a --cache-dir that is not itself on an overlay (now ${directory}), on Linux 5.11 or newer`,
  }
}

function runtimeFinding(environment: AssessOptions['environment']): Finding {
  const runtime = findRuntime(environment)
  if (runtime !== undefined) return { name: 'OCI runtime', ok: true, detail: runtime }
  return {
    name: 'OCI runtime',
    ok: false,
    detail: 'neither crun nor runc is on PATH',
    remedy: RUNTIME_REMEDY,
  }
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
