import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { release } from 'node:os'
import type { Job } from '../core/index.ts'
import { type NativeHelper, type ProbeItem, probeEnvironment, spawnMapped } from '../native/index.ts'
import { currentUser, rangeRemedy, subordinateIds } from './enter-namespace.ts'
import type { Executor } from './executor.ts'
import { findRuntime, RUNTIME_REMEDY } from './find-runtime.ts'

/** Something that the environment does or does not give, and what would mend it. */
export interface Finding {
  readonly name: string
  readonly ok: boolean
  readonly detail: string
  readonly remedy?: string
}

/** Whether an executor can be used here, and if not which call or file said no. */
export interface ExecutorFinding {
  readonly name: Executor['name']
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
  const mapping = isRoot ? undefined : await tryMapping(helper, environment, job)
  const namespaces = namespaceFinding(items, isRoot)
  const range = isRoot ? undefined : rangeFinding(mapping)
  const findings = [
    userFinding(),
    namespaces,
    ...(range === undefined ? [] : [range]),
    mountFinding(items, isRoot),
    overlayFinding(items, isRoot, directory),
    emulationFinding(items),
    runtimeFinding(environment),
  ]
  const blocked = [namespaces, range, findings[3]].find((finding) => finding?.ok === false)
  return { findings, executors: executorFindings(isRoot, blocked, runtimeFinding(environment)) }
}

function executorFindings(
  isRoot: boolean,
  blocked: Finding | undefined,
  runtime: Finding,
): readonly ExecutorFinding[] {
  const own: ExecutorFinding =
    blocked === undefined
      ? { name: isRoot ? 'local' : 'rootless', usable: true }
      : unusable(isRoot ? 'local' : 'rootless', blocked)
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

/** undefined when a user namespace with the whole id range can be had, else why not. */
async function tryMapping(
  helper: NativeHelper,
  environment: AssessOptions['environment'],
  job: Job,
): Promise<string | undefined> {
  const ids = subordinateIds(currentUser())
  if (ids === undefined) return '/etc/subuid and /etc/subgid have no range for this user'
  job.signal.throwIfAborted()
  try {
    const status = await spawnMapped(helper, { kind: 'user', ...ids, env: environment, stdio: 'ignore' }, [
      helper.path,
      'probe',
      '/',
    ]).exited
    return status === 0 ? undefined : `a program in the namespace ended with status ${status}`
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

function userFinding(): Finding {
  const { name, uid } = currentUser()
  return { name: 'user', ok: true, detail: `${name} (uid ${uid}), Linux ${release()}` }
}

function namespaceFinding(items: readonly ProbeItem[], isRoot: boolean): Finding {
  const failed = failure(
    items,
    isRoot ? ['mount-namespace', 'pid-namespace'] : ['user-namespace', 'user-proc'],
  )
  const name = isRoot ? 'namespaces' : 'user namespaces'
  if (failed === undefined) return { name, ok: true, detail: 'can be made' }
  return { name, ok: false, detail: describe(failed), remedy: namespaceRemedy(isRoot) }
}

/** Who said no to a namespace: a setting that names itself, else the seccomp filter of a container. */
function namespaceRemedy(isRoot: boolean): string {
  if (readSetting('/proc/sys/kernel/apparmor_restrict_unprivileged_userns') === '1')
    return 'sysctl -w kernel.apparmor_restrict_unprivileged_userns=0'
  if (readSetting('/proc/sys/kernel/unprivileged_userns_clone') === '0')
    return 'sysctl -w kernel.unprivileged_userns_clone=1'
  if (readSetting('/proc/sys/user/max_user_namespaces') === '0')
    return 'sysctl -w user.max_user_namespaces=10000'
  if (/^Seccomp:\s*2$/m.test(readSetting('/proc/self/status') ?? '')) {
    return isRoot
      ? 'run the container with --cap-add SYS_ADMIN --security-opt seccomp=unconfined'
      : 'run the container with --security-opt seccomp=unconfined'
  }
  return isRoot
    ? 'run as root with CAP_SYS_ADMIN, or as an ordinary user with a subordinate id range'
    : 'allow unprivileged user namespaces on this machine'
}

function rangeFinding(problem: string | undefined): Finding {
  const user = currentUser()
  if (problem !== undefined)
    return { name: 'id range', ok: false, detail: problem, remedy: rangeRemedy(user) }
  const ranges = subordinateIds(user)?.uidRanges ?? []
  return {
    name: 'id range',
    ok: true,
    detail: ranges.map(({ first, count }) => `${count} ids from ${first}`).join(', '),
  }
}

function mountFinding(items: readonly ProbeItem[], isRoot: boolean): Finding {
  const failed = failure(items, isRoot ? ['mount-namespace'] : ['user-mount'])
  return failed === undefined
    ? { name: 'mounts', ok: true, detail: 'can be made' }
    : { name: 'mounts', ok: false, detail: describe(failed), remedy: namespaceRemedy(isRoot) }
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

function emulationFinding(items: readonly ProbeItem[]): Finding {
  const registry = '/proc/sys/fs/binfmt_misc'
  const registered = existsSync(registry)
    ? readdirSync(registry).filter((name) => name.startsWith('qemu-'))
    : []
  if (registered.length > 0)
    return { name: 'emulation', ok: true, detail: `registered: ${registered.join(', ')}` }
  const own = items.some((item) => item.name === 'binfmt-misc' && item.ok)
    ? '; this kernel would allow a registration of our own'
    : ''
  return {
    name: 'emulation',
    ok: false,
    detail: `no interpreter for another architecture is registered${own}`,
    remedy: 'apt-get install qemu-user-static binfmt-support (only for RUN steps of another architecture)',
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

function describe({ name, step, errno }: ProbeItem): string {
  return `${name}: ${step ?? 'it'} failed${errno === undefined ? '' : ` with errno ${errno}`}`
}

function readSetting(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return undefined
  }
}
