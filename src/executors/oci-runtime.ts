import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { arch } from 'node:os'
import { basename, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { errnoOf, type Job } from '../core/index.ts'
import { lookupUser } from '../fs/index.ts'
import { runProcess } from '../io/index.ts'
import type { FileSession, NativeHelper } from '../native/index.ts'
import { boundingSet } from './capabilities.ts'
import { hideUnifiedCgroups } from './cgroups.ts'
import type { Executor, ProcessResult, ProcessSpec } from './executor.ts'
import { machineDevices } from './machine-devices.ts'
import { makeMountPoints } from './mount-points.ts'
import { networkMounts } from './network-files.ts'
import { runPiped } from './piped-process.ts'
import { runtimeError, runtimeFailure, statusOfUnstarted } from './runtime-failure.ts'
import { encodeRuntimeSpec, runtimeSpec } from './runtime-spec.ts'
import { tryToRun } from './trial-run.ts'
import { withoutAbort } from './without-abort.ts'

export interface OciRuntimeOptions {
  /** Path of crun or runc. */
  readonly runtime: string
  /** The namespace that this process is in: `local` where root is the machine's own. */
  readonly namespace: 'local' | 'rootless'
  readonly helper: NativeHelper
  readonly session: FileSession
  /** Where what the runtime reads and writes lies while a process runs. */
  readonly scratch: () => string
}

const ID = 'ossb'
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
const END_ATTEMPTS = 250
const END_PAUSE = 20

/**
 * Runs a process by an OCI runtime, in the mount namespace (and, for an ordinary user, user namespace) that the builder
 * itself entered at its start. The process is number 1 of its pid namespace, as in a container: a signal that it sends to
 * itself does nothing where it has no handler for it.
 */
export function createOciRuntimeExecutor(options: OciRuntimeOptions): Executor {
  const { runtime, helper, session, scratch } = options
  let prepared: Promise<void> | undefined
  const run = async (process: ProcessSpec, rootfs: string, job: Job): Promise<ProcessResult> => {
    job.signal.throwIfAborted()
    if (basename(runtime) === 'crun') await (prepared ??= hideUnifiedCgroups(session, scratch, job))
    const bundle = mkdtempSync(join(scratch(), 'bundle-'))
    try {
      return await runInBundle(options, { process, rootfs, bundle }, job)
    } finally {
      rmSync(bundle, { recursive: true, force: true })
    }
  }
  return { name: 'container', probe: () => tryToRun(run, { helper, directory: scratch() }), run }
}

interface Run {
  readonly process: ProcessSpec
  readonly rootfs: string
  readonly bundle: string
}

async function runInBundle(
  options: OciRuntimeOptions,
  { process, rootfs, bundle }: Run,
  job: Job,
): Promise<ProcessResult> {
  const { session, namespace } = options
  const user = lookupUser(rootfs, process.user)
  const etc = join(bundle, 'etc')
  mkdirSync(etc)
  const mounts = [...networkMounts(process, etc), ...machineDevices(process, namespace), ...process.mounts]
  const points = await makeMountPoints({ rootfs, cwd: process.cwd, session, mounts }, job)
  try {
    const spec = runtimeSpec({
      process,
      user,
      rootfs,
      mounts: points.mounts,
      bounding: boundingSet(),
      architecture: arch(),
      namespace,
    })
    // The environment may hold secrets.
    writeFileSync(join(bundle, 'config.json'), encodeRuntimeSpec(spec), { mode: 0o600 })
    return await start(options, bundle, job)
  } finally {
    await points.remove(withoutAbort(job))
  }
}

async function start(
  { runtime, session }: OciRuntimeOptions,
  bundle: string,
  job: Job,
): Promise<ProcessResult> {
  const env = { PATH, XDG_RUNTIME_DIR: bundle }
  const log = join(bundle, 'log')
  const pidFile = join(bundle, 'pid')
  const call = [runtime, ...globalFlags(runtime), '--root', join(bundle, 'state')] as const
  try {
    const { exitCode } = await runPiped(
      [...call, '--log', log, '--log-format', 'json', 'run', '--bundle', bundle, '--pid-file', pidFile, ID],
      { env, directory: bundle, session },
      job,
    )
    const message = exitCode === 0 ? undefined : runtimeError(log)
    if (message === undefined) return { exitCode }
    const status = statusOfUnstarted(message)
    if (status === undefined) throw runtimeFailure(runtime, message)
    return { exitCode: status }
  } finally {
    await runProcess([...call, 'delete', '--force', ID], { env }, withoutAbort(job))
    await ended(pidFile)
  }
}

/** No cgroups are asked for, and an ordinary user could make none; runc passes over it by itself. */
function globalFlags(runtime: string): readonly string[] {
  return basename(runtime) === 'crun' ? ['--cgroup-manager=disabled'] : []
}

/** Waits for the end of process 1 of the container: the kernel ends it after everything else that ran there. */
async function ended(pidFile: string): Promise<void> {
  const pid = readIfPresent(pidFile)
  if (pid === undefined) return
  for (let attempt = 0; attempt < END_ATTEMPTS; attempt += 1) {
    if (!isRunning(pid)) return
    await wait(END_PAUSE)
  }
}

/** One that has ended is there until its parent takes notice, as Z. */
function isRunning(pid: string): boolean {
  const state = /^State:\s*(\S)/m.exec(readIfPresent(`/proc/${pid}/status`) ?? '')?.[1]
  return state !== undefined && state !== 'Z' && state !== 'X'
}

function readIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ESRCH') return undefined
    throw error
  }
}
