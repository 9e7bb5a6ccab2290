import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { arch } from 'node:os'
import { basename, join } from 'node:path'
import type { Job } from '../core/index.ts'
import { type MapKind, type NativeHelper, spawnMapped } from '../native/index.ts'
import { boundingSet } from './capabilities.ts'
import { runtimeError } from './runtime-failure.ts'
import { encodeRuntimeSpec, runtimeSpec } from './runtime-spec.ts'
import { trialProcess } from './trial-run.ts'

export interface RuntimeTrial {
  readonly helper: NativeHelper
  /** Path of crun or runc. */
  readonly runtime: string
  /** The namespace that a build with it enters. */
  readonly map: MapKind
  /** Where its root is made, and removed again. */
  readonly directory: string
}

const ENVIRONMENT = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' }
const UNIFIED = '/sys/fs/cgroup/unified'

/** crun may find controllers in both versions of cgroups, and does not start then: see `hideUnifiedCgroups()`. */
const WITHOUT_UNIFIED = `[ ! -d ${UNIFIED} ] || mount --bind "$1" ${UNIFIED}; shift; exec "$@"`

/** Runs a real process by a runtime, in the namespaces of a build. @returns why that can't be done, or undefined */
export async function tryRuntime(trial: RuntimeTrial, job: Job): Promise<string | undefined> {
  job.signal.throwIfAborted()
  const bundle = mkdtempSync(join(trial.directory, 'trial-'))
  try {
    return await runTrial(trial, bundle)
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  } finally {
    rmSync(bundle, { recursive: true, force: true })
  }
}

async function runTrial({ helper, runtime, map }: RuntimeTrial, bundle: string): Promise<string | undefined> {
  const [rootfs, nothing, log] = [join(bundle, 'root'), join(bundle, 'nothing'), join(bundle, 'log')]
  for (const path of [rootfs, nothing]) mkdirSync(path, { mode: 0o755 })
  const program = join(rootfs, 'program')
  copyFileSync(helper.path, program)
  chmodSync(program, 0o755)
  const spec = runtimeSpec({
    process: { ...trialProcess(helper), mounts: [] },
    user: { uid: 0, gid: 0, groups: [0], home: '/' },
    rootfs,
    mounts: [],
    bounding: boundingSet(),
    architecture: arch(),
    namespace: map.kind === 'root' ? 'local' : 'rootless',
  })
  writeFileSync(join(bundle, 'config.json'), encodeRuntimeSpec(spec), { mode: 0o600 })
  const flags = basename(runtime) === 'crun' ? ['--cgroup-manager=disabled'] : []
  const command = [
    runtime,
    ...flags,
    '--root',
    join(bundle, 'state'),
    '--log',
    log,
    '--log-format',
    'json',
    'run',
  ]
  const status = await spawnMapped(
    helper,
    { ...map, env: { ...ENVIRONMENT, XDG_RUNTIME_DIR: bundle }, stdio: 'ignore' },
    ['sh', '-c', WITHOUT_UNIFIED, 'sh', nothing, ...command, '--bundle', bundle, 'ossb-trial'],
  ).exited
  return status === 0 ? undefined : (runtimeError(log) ?? `a process in it ended with status ${status}`)
}
