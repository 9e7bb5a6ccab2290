import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Job, OssbError } from './core/index.ts'
import {
  createChrootExecutor,
  createEmulation,
  createNamespaceExecutor,
  createOciRuntimeExecutor,
  createTracedExecutor,
  type Emulation,
  type Executor,
  NAMESPACE_VARIABLE,
  requireRuntime,
} from './executors/index.ts'
import { type Foundation, openFoundation } from './foundation.ts'
import { createHolding } from './io/index.ts'
import type { FileSession, NativeHelper } from './native/index.ts'
import type { BuildOptions } from './options/index.ts'
import {
  copyTree,
  createCopySnapshotter,
  createOverlaySnapshotter,
  type SnapshotContext,
  type Snapshotter,
} from './snapshot/index.ts'
import { openSshAgents, type SshAgents } from './sources/index.ts'
import type { StorePaths, Workspace } from './store/index.ts'

/** Everything that a build works with, wired together; released at its end. */
export interface Engine extends Omit<Foundation, typeof Symbol.asyncDispose> {
  readonly snapshotter: Snapshotter
  readonly executor: Executor
  readonly emulation: Emulation
  readonly sshAgents: SshAgents
}

export async function openEngine(options: BuildOptions, job: Job): Promise<Engine & AsyncDisposable> {
  await using holding = createHolding()
  const { environment, ssh = [] } = options
  const foundation = holding.hold(await openFoundation(options, job))
  const { paths, helper, session, workspace } = foundation
  const sshAgents = holding.hold(
    openSshAgents({ sources: ssh, environment, directory: () => workspace.directory() }),
  )
  const snapshotter = await chooseSnapshotter(foundation, job)
  const parts = { paths, helper, session, workspace }
  const executor = await executorOf(options, parts)
  const emulation = holding.hold(emulationOf(options, parts))
  return {
    ...foundation,
    snapshotter,
    executor,
    emulation,
    sshAgents,
    [Symbol.asyncDispose]: holding.handOver(),
  }
}

/**
 * Overlay mounts where the cache directory's file system and the kernel allow them, which only trying tells. The mount is
 * tried as steps make theirs: without `volatile`, its end waits until all that the file system has to write is written.
 */
async function chooseSnapshotter(context: SnapshotContext, job: Job): Promise<Snapshotter> {
  const trial = context.workspace.directory()
  const [lower, upper, work, target] = ['lower', 'upper', 'work', 'root'].map((name) =>
    join(trial, name),
  ) as [string, string, string, string]
  for (const directory of [lower, upper, work, target]) mkdirSync(directory)
  try {
    await using _mount = await context.session.mount(
      { type: 'overlay', target, lower: [lower], upper, work, volatile: true },
      job,
    )
    return createOverlaySnapshotter(context)
  } catch {
    job.signal.throwIfAborted()
    return createCopySnapshotter(context)
  }
}

interface ExecutorParts {
  readonly paths: StorePaths
  readonly helper: NativeHelper
  readonly session: FileSession
  readonly workspace: Workspace
}

/** How RUN is carried out in the namespace that this process is in; `container` is tried out before anything is built. */
async function executorOf(
  { environment, executor: choice }: BuildOptions,
  parts: ExecutorParts,
): Promise<Executor> {
  const { helper, session, workspace } = parts
  const namespace = environment[NAMESPACE_VARIABLE]
  const scratch = () => workspace.directory()
  if (namespace === 'chroot') return chrootExecutor(parts)
  if (namespace === 'traced') return createTracedExecutor({ helper, session, scratch })
  if (namespace !== 'local' && namespace !== 'rootless') {
    throw new OssbError(
      'ERR_OSSB_EXECUTOR',
      'Cannot build here: the process is not in a namespace of its own',
      { hint: 'Call enterNamespace() first, and build in the process that it starts.' },
    )
  }
  if (choice !== 'container') return createNamespaceExecutor({ name: namespace, helper, scratch })
  const executor = createOciRuntimeExecutor({
    runtime: requireRuntime(environment),
    namespace,
    helper,
    session,
    scratch,
  })
  const probe = await executor.probe()
  if (probe.usable) return executor
  throw new OssbError(
    'ERR_OSSB_EXECUTOR',
    `Cannot use the executor "container": ${probe.reason}`,
    probe.remedy === undefined ? {} : { hint: probe.remedy },
  )
}

/** What a process writes to is in one place at a time: processes with such mounts wait for each other. */
function chrootExecutor({ helper, session, workspace, paths }: ExecutorParts): Executor {
  return createChrootExecutor({
    helper,
    session,
    scratch: () => workspace.directory(),
    copyTree: (from, to, job) => copyTree(from, to, { helper, session }, job),
    claim: (job) => {
      mkdirSync(paths.mounts, { recursive: true })
      return session.lock(join(paths.mounts, 'chroot.lock'), 'exclusive', { wait: true }, job)
    },
  })
}

/** Only inside a user namespace of its own does a registration not hold for the whole machine. */
function emulationOf(
  { environment, executor, emulators = [] }: BuildOptions,
  { helper, session, workspace }: ExecutorParts,
): Emulation {
  const namespace = environment[NAMESPACE_VARIABLE]
  const hasNone = executor === 'container' || namespace === 'traced' || namespace === 'chroot'
  return createEmulation({
    registry: namespace === 'rootless' ? 'shared' : hasNone ? 'none' : 'own',
    session,
    helper,
    directory: () => workspace.directory(),
    environment,
    named: emulators,
  })
}
