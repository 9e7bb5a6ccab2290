import { mkdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import { createSources, namedContexts, openersOf } from './build-sources.ts'
import { createStepCache } from './cache/index.ts'
import { type Codec, createCodec } from './codec/index.ts'
import {
  fileSystemError,
  formatPlatform,
  formatReference,
  hostPlatform,
  type Job,
  nameInRegistry,
  OssbError,
  parseReference,
  withSourceText,
} from './core/index.ts'
import { createDefinition, planDefinition } from './definition.ts'
import {
  createNamespaceExecutor,
  createOciRuntimeExecutor,
  type Executor,
  NAMESPACE_VARIABLE,
  requireRuntime,
} from './executors/index.ts'
import {
  createDockerArchiveExporter,
  createLocalDirExporter,
  createOciArchiveExporter,
  createOciLayoutExporter,
  createRegistryExporter,
  createRootfsTarExporter,
  createStoreExporter,
  type Exporter,
  many,
  type OutputTarget,
} from './exporters/index.ts'
import type { Plan } from './graph/index.ts'
import { type FileSession, loadHelper, type NativeHelper, openFileSession, walkTree } from './native/index.ts'
import type { ContentStore, Image } from './oci/index.ts'
import type { BuildOptions, BuildResult, OutputSpec } from './options.ts'
import {
  createRegistryClient,
  createTransport,
  type RegistryClient,
  type Transport,
} from './registry/index.ts'
import {
  createCopySnapshotter,
  createOverlaySnapshotter,
  type SnapshotContext,
  type Snapshotter,
} from './snapshot/index.ts'
import {
  checkEntitlements,
  createExecRunner,
  createFileRunner,
  createImageProvider,
  createSolver,
  finishImage,
  type ImageProvider,
  type SolverOptions,
} from './solver/index.ts'
import {
  openInput,
  openSecrets,
  openSshAgents,
  parseContext,
  type Secrets,
  type SshAgents,
} from './sources/index.ts'
import { createOciLayout, openWorkspace, type StorePaths, storePaths, type Workspace } from './store/index.ts'

/** Milliseconds without progress after which a download counts as dead. */
const STALL_MS = 60_000

/** Everything that a build works with, wired together; released at its end. */
interface Engine {
  readonly paths: StorePaths
  readonly store: ContentStore
  readonly helper: NativeHelper
  readonly session: FileSession
  readonly codec: Codec
  readonly workspace: Workspace
  readonly registry: RegistryClient
  /** For what is downloaded from anywhere else. */
  readonly http: Transport
  readonly images: ImageProvider
  readonly snapshotter: Snapshotter
  readonly executor: Executor
  readonly secrets: Secrets
  readonly sshAgents: SshAgents
}

/**
 * Builds an image and brings it to its outputs.
 * @throws OssbError; StepFailedError with the status of a RUN that failed. Outputs and cache are as they were before.
 */
export async function build(options: BuildOptions, job: Job): Promise<BuildResult> {
  const names = options.tags.map((tag) => nameInRegistry(tag, options.registry))
  const context = parseContext(options.context)
  const named = namedContexts(options)
  await using engine = await openEngine(options, job)
  await checkPushes(options.outputs, names, engine, job)
  const sources = createSources(options, engine)
  const { dockerfile, tree, time } = await openInput(
    {
      context,
      ...(options.dockerfile === undefined ? {} : { dockerfile: options.dockerfile }),
      keepGitDir: /^(?:1|t|true)$/i.test(options.buildArgs['BUILDKIT_CONTEXT_KEEP_GIT_DIR'] ?? ''),
    },
    sources,
    job,
  )
  const definition = createDefinition(options, {
    dockerfile,
    namedContexts: [...named].map(([name, spec]) => ({
      name,
      ...(spec.type === 'image' ? { image: spec.reference } : {}),
    })),
    ...(context.type === 'directory' ? { directory: context.path } : {}),
    ...(time === undefined ? {} : { time }),
  })
  try {
    const [plan] = await planDefinition(definition, engine.images.resolve, job)
    if (plan === undefined)
      throw new OssbError('ERR_OSSB_INTERNAL', 'Cannot build: the frontend made no plan')
    checkEntitlements(plan.root, options.allow ?? [])
    const contexts = openersOf(tree, named, sources)
    const image = await solvePlan(plan, { contexts, sources }, options, engine, job)
    const exported = await many(exportersOf(options, names, engine)).export([image], job)
    return {
      ...exported,
      names: names.map((name) => formatReference(parseReference(name))),
      platform: formatPlatform(definition.input.platforms[0] ?? hostPlatform()),
    }
  } catch (error) {
    // The Dockerfile may be in no file that the caller could show lines of, or in one that has changed.
    throw withSourceText(error, { file: dockerfile.name, text: dockerfile.text })
  }
}

async function openEngine(options: BuildOptions, job: Job): Promise<Engine & AsyncDisposable> {
  const paths = storePaths(options.cacheDir)
  const held: AsyncDisposable[] = []
  const release = async () => {
    for (const resource of held.splice(0).reverse()) await resource[Symbol.asyncDispose]()
  }
  const hold = <T extends AsyncDisposable>(resource: T): T => {
    held.push(resource)
    return resource
  }
  try {
    const { environment, secrets = [], ssh = [] } = options
    const givenSecrets = openSecrets(secrets, environment)
    createCacheDirectory(paths)
    const helper = loadHelper()
    const session = hold(openFileSession(helper))
    const lock = await session.lock(paths.lock, 'shared', { wait: true }, job)
    if (lock !== undefined) hold(lock)
    const workspace = hold(await openWorkspace(paths, session, job))
    const sshAgents = hold(
      openSshAgents({ sources: ssh, environment, directory: () => workspace.directory() }),
    )
    const codec = hold(createCodec())
    const registry = hold(createRegistryClient(options))
    const http = hold(
      createTransport({ insecureRegistries: [], environment: options.environment, stallMs: STALL_MS }),
    )
    const store = createOciLayout(paths.root)
    const images = createImageProvider({ store, repository: (reference) => registry.repository(reference) })
    const snapshotter = await chooseSnapshotter({ paths, workspace, helper, session, codec }, job)
    const executor = await executorOf(options, { helper, session, workspace })
    return {
      paths,
      store,
      helper,
      session,
      codec,
      workspace,
      registry,
      http,
      images,
      snapshotter,
      executor,
      secrets: givenSecrets,
      sshAgents,
      [Symbol.asyncDispose]: release,
    }
  } catch (error) {
    await release()
    throw error
  }
}

function createCacheDirectory(paths: StorePaths): void {
  try {
    mkdirSync(paths.root, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw fileSystemError(`make the cache directory "${paths.root}"`, error)
  }
}

/** Overlay mounts where the cache directory's file system and the kernel allow them, which only trying tells. */
async function chooseSnapshotter(context: SnapshotContext, job: Job): Promise<Snapshotter> {
  const trial = context.workspace.directory()
  const [lower, upper, work, target] = ['lower', 'upper', 'work', 'root'].map((name) =>
    join(trial, name),
  ) as [string, string, string, string]
  for (const directory of [lower, upper, work, target]) mkdirSync(directory)
  try {
    await using _mount = await context.session.mount(
      { type: 'overlay', target, lower: [lower], upper, work },
      job,
    )
    return createOverlaySnapshotter(context)
  } catch {
    job.signal.throwIfAborted()
    return createCopySnapshotter(context)
  }
}

interface ExecutorParts {
  readonly helper: NativeHelper
  readonly session: FileSession
  readonly workspace: Workspace
}

/** How RUN is carried out in the namespace that this process is in; `container` is tried out before anything is built. */
async function executorOf(
  { environment, executor: choice }: BuildOptions,
  { helper, session, workspace }: ExecutorParts,
): Promise<Executor> {
  const namespace = environment[NAMESPACE_VARIABLE]
  if (namespace !== 'local' && namespace !== 'rootless') {
    throw new OssbError(
      'ERR_OSSB_EXECUTOR',
      'Cannot build here: the process is not in a namespace of its own',
      { hint: 'Call enterNamespace() first, and build in the process that it starts.' },
    )
  }
  const scratch = () => workspace.directory()
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

async function solvePlan(
  plan: Plan,
  { contexts, sources }: Pick<SolverOptions, 'contexts' | 'sources'>,
  options: BuildOptions,
  engine: Engine,
  job: Job,
): Promise<Image> {
  const epoch = plan.sourceDateEpoch
  const clampTo = options.rewriteTimestamp ? requiredEpoch(epoch) : undefined
  const { session, paths, codec, store, images, snapshotter } = engine
  const solver = createSolver({
    runners: {
      exec: createExecRunner(engine),
      file: createFileRunner(session, codec),
    },
    images,
    snapshotter,
    cache: createStepCache({ paths, store, fetchRemote: images.fetchRemote }),
    sources,
    layers: {
      store,
      codec,
      compression: options.compression,
      session,
      ...(clampTo === undefined ? {} : { clampTo: BigInt(clampTo) * 1_000_000_000n }),
    },
    contexts,
    noCache: options.noCache,
    parallelism: options.parallelism ?? availableParallelism(),
    now: () => new Date().toISOString(),
  })
  const layers = await solver.solve(plan.root, job)
  return finishImage(plan, layers, epoch === undefined ? undefined : new Date(epoch * 1000).toISOString())
}

function requiredEpoch(epoch: number | undefined): number {
  if (epoch !== undefined) return epoch
  throw new OssbError('ERR_OSSB_USAGE', 'Cannot rewrite timestamps: SOURCE_DATE_EPOCH is not set', {
    hint: 'Set it in the environment, or with --build-arg SOURCE_DATE_EPOCH=0.',
  })
}

/** A push that will be refused is refused before the build, not after it. */
async function checkPushes(
  outputs: readonly OutputSpec[],
  names: readonly string[],
  { registry }: Engine,
  job: Job,
): Promise<void> {
  const pushed = outputs.flatMap((output) =>
    output.type === 'image' && output.push ? (output.names ?? names) : [],
  )
  const repositories = new Map(pushed.map((name) => [name.replace(/:[^/]*$/, ''), parseReference(name)]))
  for (const reference of repositories.values()) await registry.checkPush(reference, job)
}

function exportersOf(options: BuildOptions, names: readonly string[], engine: Engine): readonly Exporter[] {
  const outputs: readonly OutputSpec[] =
    options.outputs.length === 0 ? [{ type: 'image', push: false }] : options.outputs
  return outputs.flatMap((output) => exportersFor(output, names, options, engine))
}

function exportersFor(
  output: OutputSpec,
  tags: readonly string[],
  { imageFormat: format, standardOutput }: BuildOptions,
  engine: Engine,
): readonly Exporter[] {
  const dest = 'dest' in output ? targetOf(output.dest, standardOutput) : ''
  const roots = { use: useRoot, walk: (rootfs: string, job: Job) => entriesOf(engine.helper, rootfs, job) }
  const names = 'names' in output && output.names !== undefined ? output.names : tags
  async function useRoot<T>(image: Image, action: (rootfs: string) => Promise<T>, job: Job): Promise<T> {
    await using view = await engine.snapshotter.view(image.layers, job)
    return await action(view.rootfs)
  }
  switch (output.type) {
    case 'image':
      return [
        exclusive(createStoreExporter({ store: engine.store, names, format }), engine),
        ...(output.push ? [registryExporter(names, format, engine)] : []),
      ]
    case 'oci':
      return [
        output.tar
          ? createOciArchiveExporter({ dest, names, format })
          : createOciLayoutExporter({ dest: output.dest, names, format }),
      ]
    case 'docker':
      return [createDockerArchiveExporter({ dest, names })]
    case 'tar':
      return [createRootfsTarExporter({ dest, roots })]
    case 'local':
      return [createLocalDirExporter({ dest: output.dest, roots })]
    default:
      return output satisfies never
  }
}

function targetOf(dest: string, standardOutput: Writable | undefined): OutputTarget {
  if (dest !== '-') return dest
  if (standardOutput !== undefined) return standardOutput
  throw new OssbError('ERR_OSSB_USAGE', 'Cannot write an output to "-": there is no standard output', {
    hint: 'Name a file.',
  })
}

function registryExporter(
  names: readonly string[],
  format: BuildOptions['imageFormat'],
  { registry }: Engine,
): Exporter {
  return createRegistryExporter({
    names,
    format,
    repository: (reference, mounts) => registry.repository(reference, mounts),
  })
}

/** One build at a time changes the names in the store. */
function exclusive(exporter: Exporter, { session, paths }: Engine): Exporter {
  return {
    name: exporter.name,
    export: async (images, job) => {
      await using _lock = await session.lock(`${paths.index}.lock`, 'exclusive', { wait: true }, job)
      return await exporter.export(images, job)
    },
  }
}

async function* entriesOf(helper: NativeHelper, rootfs: string, job: Job) {
  for await (const entries of walkTree(helper, rootfs, job)) yield* entries
}
