import { type Job, OssbError } from './core/index.ts'
import {
  assessEnvironment,
  canChroot,
  currentUser,
  type ExecutorFinding,
  enterNamespace as enter,
  isNamespaceRefused,
  NAMESPACE_VARIABLE,
  rungOf,
} from './executors/index.ts'
import { loadHelper } from './native/index.ts'
import type { DoctorReport, EnvironmentOptions, ExecutorChoice } from './options/index.ts'

/**
 * Runs `command` (the caller's own command line) inside the namespaces that a build needs, and answers its exit status;
 * undefined when this process is inside already, and may go on. What was mounted inside ends with it.
 * @throws OssbError ERR_OSSB_EXECUTOR that says which call or file refused, and what would help
 */
export async function enterNamespace(
  options: EnvironmentOptions & { readonly command: readonly string[] },
  job: Job,
): Promise<number | undefined> {
  const { executor, environment } = options
  if (environment[NAMESPACE_VARIABLE] !== undefined) return undefined
  const [file, ...args] = options.command
  if (file === undefined)
    throw new OssbError('ERR_OSSB_USAGE', 'Cannot enter a namespace: there is no command to run in it')
  const kind = currentUser().uid === 0 ? 'local' : 'rootless'
  const helper = loadHelper()
  const command = [file, ...args] as const
  const enterTraced = () => enter({ kind: 'traced', helper, command, environment, oneId: 'refused' }, job)
  if (executor === 'traced' && (await canTrace(options, job))) return await enterTraced()
  if (executor !== 'auto' && executor !== 'container' && executor !== kind) throw await refusal(options, job)
  try {
    const oneId = executor === 'container' ? 'refused' : 'allowed'
    return await enter({ kind, helper, command, environment, oneId }, job)
  } catch (error) {
    job.signal.throwIfAborted()
    const isRefused = isNamespaceRefused(error)
    const mayChroot = isRefused && kind === 'local' && executor !== 'container'
    if (mayChroot && (await canChroot(helper, options.cacheDir)))
      return await enter({ kind: 'chroot', helper, command, environment, oneId: 'refused' }, job)
    if (executor === 'auto' && isRefused && (await canTrace(options, job))) return await enterTraced()
    if (!(error instanceof OssbError) || error.code !== 'ERR_OSSB_EXECUTOR') throw error
    throw await refusal(options, job, error)
  }
}

async function canTrace(options: EnvironmentOptions, job: Job): Promise<boolean> {
  const { executors } = await doctor(options, job)
  return executors.some(({ name, usable }) => name === 'traced' && usable)
}

/** Why the executor that was asked for can't be had. */
async function refusal(options: EnvironmentOptions, job: Job, cause?: unknown): Promise<OssbError> {
  const { executors } = await doctor(options, job)
  const wanted =
    executors.find(({ name }) => name === options.executor) ??
    executors.find(({ usable, remedy }) => !usable && remedy !== undefined)
  if (cause instanceof OssbError && (wanted === undefined || wanted.usable)) return cause
  const what =
    options.executor === 'auto' ? 'run the steps of a build here' : `use the executor "${options.executor}"`
  return new OssbError(
    'ERR_OSSB_EXECUTOR',
    `Cannot ${what}: ${wanted?.reason ?? (cause instanceof Error ? cause.message : 'the environment does not allow it')}`,
    {
      hint: wanted?.remedy ?? '"ossb doctor" says what this environment allows.',
      cause,
    },
  )
}

/** Says what this environment allows, which executor a build takes, why, and what would give a better one. */
export async function doctor(
  { executor, cacheDir, environment }: EnvironmentOptions,
  job: Job,
): Promise<DoctorReport> {
  const { findings, executors, rungs } = await assessEnvironment(
    { helper: loadHelper(), directory: cacheDir, environment },
    job,
  )
  const candidates = executors.filter(
    ({ name, usable }) => usable && (executor === 'auto' ? name !== 'container' : name === executor),
  )
  const [candidate] = candidates
  return {
    facts: findings,
    executors,
    rungs,
    ...(candidate === undefined ? {} : { chosen: candidate.name, rung: rungOf(candidate) }),
    because: reasonFor(candidate, executor, executors),
    better: findings.flatMap(({ ok, name, remedy }) =>
      ok || remedy === undefined || name === 'OCI runtime' ? [] : [`${name}: ${remedy}`],
    ),
  }
}

const REASONS: Readonly<Record<ExecutorFinding['name'], string>> = {
  local: 'this is root, and may make namespaces and mounts: each RUN gets its own',
  rootless:
    'this is an ordinary user with a subordinate id range: each RUN gets namespaces of its own inside a user namespace, and files keep their real owners',
  traced:
    'neither namespaces nor a chroot are to be had here: each RUN is traced, and its system calls answered as if the root file system were its own. That is slow, and keeps no hostile program away from what this user may do',
  container: 'it was asked for, and an OCI runtime is installed',
}

const CHROOT_REASON =
  'this is root where neither namespaces nor mounts are allowed: each RUN gets a root of its own by chroot, and what it sees of /proc is served to it'

const ONE_ID_REASON =
  'this is an ordinary user without a subordinate id range: each RUN gets namespaces of its own inside a user namespace with one id, and the owners of files are recorded, not real, until they are in a layer'

function reasonFor(
  chosen: ExecutorFinding | undefined,
  asked: ExecutorChoice,
  executors: readonly ExecutorFinding[],
): string {
  if (chosen?.variant === 'chroot') return CHROOT_REASON
  if (chosen !== undefined) return chosen.variant === 'one id' ? ONE_ID_REASON : REASONS[chosen.name]
  const refused =
    executors.find(({ name }) => name === asked) ??
    executors.find(({ usable, remedy }) => !usable && remedy !== undefined)
  return refused?.reason ?? 'nothing that can run a step is allowed here'
}
