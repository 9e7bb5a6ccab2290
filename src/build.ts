import { mkdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import { type CacheEntry, withoutLost } from './cache/index.ts'
import { type Caches, openCaches } from './caches.ts'
import {
  type Digest,
  type Failure,
  formatPlatform,
  formatReference,
  type Job,
  joinErrors,
  nameInRegistry,
  OssbError,
  type Platform,
  parsePlatform,
  parseReference,
  withSourceText,
} from './core/index.ts'
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
import {
  type ContentOptions,
  checkAnnotations,
  createDockerArchiveExporter,
  createFlatArchiveExporter,
  createLocalDirExporter,
  createOciArchiveExporter,
  createOciLayoutExporter,
  createRegistryExporter,
  createRootfsTarExporter,
  createStoreExporter,
  type Exporter,
  many,
  type OutputTarget,
  requireOnePlatform,
} from './exporters/index.ts'
import { type Foundation, openFoundation } from './foundation.ts'
import type { Plan } from './graph/index.ts'
import {
  createDefinition,
  createInputCheck,
  createSources,
  findLock,
  inputOptions,
  namedContexts,
  namesOf,
  lockEntriesOf,
  mergeLocks,
  neededByOptions,
  neededByPlan,
  openersOf,
  planDefinition,
  timesOf,
} from './inputs/index.ts'
import { createHolding } from './io/index.ts'
import { type LayerWriterOptions, recompressLayer } from './layer/index.ts'
import { type FileSession, type NativeHelper, walkTree } from './native/index.ts'
import type { Image, Layer } from './oci/index.ts'
import { provenanceOf } from './provenance.ts'
import type { BuildOptions, BuildResult, OutputSpec } from './options.ts'
import { sbomOf } from './sbom.ts'
import {
  copyTree,
  createCopySnapshotter,
  createOverlaySnapshotter,
  type SnapshotContext,
  type Snapshotter,
} from './snapshot/index.ts'
import {
  checkEntitlements,
  createExecRunner,
  createFileRunner,
  createSolver,
  finishImage,
  markRewritten,
  type SolverOptions,
  squashHistory,
  squashLayers,
} from './solver/index.ts'
import { openInput, openSshAgents, parseContext, type SshAgents } from './sources/index.ts'
import { createIndexLock, type StorePaths, type Workspace } from './store/index.ts'

/** Everything that a build works with, wired together; released at its end. */
interface Engine extends Omit<Foundation, typeof Symbol.asyncDispose> {
  readonly snapshotter: Snapshotter
  readonly executor: Executor
  readonly emulation: Emulation
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
  if (options.skipPushCheck !== true) await checkPushes(options.outputs, names, engine, job)
  const sources = createSources(options, engine)
  const lock = findLock(options, engine.archive)
  const inputs = createInputCheck({
    resolve: engine.images.resolve,
    sources,
    isLimited: options.allowedHosts !== undefined,
    ...(lock === undefined ? {} : { lock }),
  })
  const inputSettings = inputOptions(options, context)
  await inputs.check(neededByOptions(inputSettings), job)
  const input = await openInput(inputSettings, sources, job)
  const { dockerfile } = input
  const contexts = openersOf(input, named, sources)
  const definition = createDefinition(options, {
    dockerfile,
    namedContexts: namesOf(named),
    ...(context.type === 'directory' ? { directory: context.path } : {}),
    timeOf: timesOf(contexts, sources),
  })
  try {
    const { platforms } = definition.input
    checkOutputs(options, platforms)
    const plans = await planDefinition(definition, inputs.resolve, job)
    for (const { root } of plans) checkEntitlements(root, options.allow ?? [])
    await inputs.check(
      plans.flatMap((plan) => neededByPlan(plan, named)),
      job,
    )
    const started = new Date()
    const attest = async (image: Image, at: number): Promise<Image> => {
      const plan = plans[at] as Plan
      if (options.provenance === undefined) return image
      const needed = [...neededByOptions(inputSettings), ...neededByPlan(plan, named)]
      const locked = mergeLocks(await lockEntriesOf(needed, { resolve: inputs.resolve, sources }, job))
      const parts = { plan, inputs: locked, dockerfile, started, finished: new Date() }
      return { ...image, attestations: [provenanceOf(options, parts)] }
    }
    const caches = openCaches(options, engine, job)
    const exporter = many(exportersOf(options, names, engine))
    const solve = async (): Promise<Solved> => {
      const solved = await solvePlans(plans, { contexts, sources, caches }, options, engine, job)
      const stated = await Promise.all(solved.images.map(attest))
      return {
        ...solved,
        images: options.sbom === true ? await withSboms(stated, names[0], engine, job) : stated,
      }
    }
    const exportAll = (images: readonly Image[]) => exporter.export(images, job)
    const { images, entries, exported } = writesToStream(options.outputs)
      ? await exportOnce(solve, exportAll, caches, job)
      : await withoutLost(caches.lost, async () => await exportSolved(await solve(), exportAll), job)
    await caches.count(job)
    await caches.write(entries, images, job)
    engine.registry.warnUnused(job)
    return {
      ...exported,
      names: names.map((name) => formatReference(parseReference(name))),
      platforms: platforms.map(formatPlatform),
    }
  } catch (error) {
    // The Dockerfile may be in no file that the caller could show lines of, or in one that has changed.
    throw withSourceText(error, { file: dockerfile.name, text: dockerfile.text })
  }
}

/** One after the other: each holds its root file system for as long as it is read. */
async function withSboms(
  images: readonly Image[],
  name: string | undefined,
  { snapshotter, helper }: Engine,
  job: Job,
): Promise<readonly Image[]> {
  const stated: Image[] = []
  for (const image of images) {
    await using view = await snapshotter.view(image.layers, job)
    const { rootfs } = view
    const sbom = await sbomOf({ name, image, rootfs, entries: entriesOf(helper, rootfs, job) }, job)
    stated.push({ ...image, attestations: [...(image.attestations ?? []), sbom] })
  }
  return stated
}

async function openEngine(options: BuildOptions, job: Job): Promise<Engine & AsyncDisposable> {
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

/** What could not be written is refused before anything is built. */
function checkOutputs(options: BuildOptions, { length: count }: readonly Platform[]): void {
  const { outputs } = options
  if (outputs.some(({ type }) => type === 'docker')) requireOnePlatform(count)
  if (isAttested(options)) checkAttested(options)
  for (const output of outputs)
    if (output.type !== 'local' && output.type !== 'tar')
      checkAnnotations(count, contentOptions(options, output))
}

function isAttested({ provenance, sbom = false }: BuildOptions): boolean {
  return provenance !== undefined || sbom
}

/** What the solver made of plans. */
interface Solved {
  readonly images: readonly Image[]
  /** Results for other machines. */
  readonly entries: readonly CacheEntry[]
}

type Exported = Awaited<ReturnType<Exporter['export']>>
type ExportAll = (images: readonly Image[]) => Promise<Exported>

/** @throws OssbError ERR_OSSB_USAGE where attestations have no place */
function checkAttested({ outputs, imageFormat }: BuildOptions): void {
  const holdsIndex = outputs.length === 0 || outputs.some(({ type }) => type === 'image' || type === 'oci')
  if (holdsIndex && imageFormat === 'oci' && !outputs.some(({ type }) => type === 'docker')) return
  throw new OssbError(
    'ERR_OSSB_USAGE',
    'Cannot attach attestations: an output or the image format has no place for them',
    {
      hint: 'They are in an index of the OCI format: use the outputs image, registry and oci, or leave --provenance and --sbom out.',
    },
  )
}

async function solvePlans(
  plans: readonly Plan[],
  { contexts, sources, caches }: Pick<SolverOptions, 'contexts' | 'sources'> & { readonly caches: Caches },
  options: BuildOptions,
  engine: Engine,
  job: Job,
): Promise<Solved> {
  const { reproducible = false } = options
  const clampTo = options.rewriteTimestamp || reproducible ? requiredEpoch(plans) : undefined
  const { session, codec, store, images, snapshotter } = engine
  const writer = {
    store,
    codec,
    compression: options.compression,
    session,
    ...(clampTo === undefined ? {} : { clampTo: BigInt(clampTo) * 1_000_000_000n, clampsAll: reproducible }),
  }
  const solver = createSolver({
    runners: {
      exec: createExecRunner({ ...engine, secrets: engine.secrets.forRuns }),
      file: createFileRunner(session, codec),
    },
    images,
    snapshotter,
    cache: caches.cache,
    observer: caches.observer,
    sources,
    layers: writer,
    ...(options.ignoredPaths === undefined ? {} : { ignoredPaths: options.ignoredPaths }),
    contexts,
    noCache: options.noCache,
    parallelism: options.parallelism ?? availableParallelism(),
    now: () => new Date().toISOString(),
  })
  const roots = plans.map(({ root }) => root)
  const outcomes = await solver.solve(roots, job)
  job.signal.throwIfAborted()
  const failures: Failure[] = []
  const built: Image[] = []
  const finish = (plan: Plan, layers: readonly Layer[]) =>
    finishImage(plan, clampTo === undefined ? layers : markRewritten(layers, clampTo), timeOf(plan))
  for (const [at, outcome] of outcomes.entries()) {
    const plan = plans[at] as Plan
    if (outcome.status === 'rejected')
      failures.push({ name: formatPlatform(plan.platform), error: outcome.reason })
    else if (options.singleLayer !== true) built.push(finish(plan, outcome.value))
    else {
      const squashed = await squashLayers(outcome.value, { ...engine, layers: writer }, job)
      built.push(finish(squashHistory(plan), squashed))
    }
  }
  const [first, ...others] = failures
  if (first !== undefined) throw joinErrors(`build for ${plans.length} platforms`, [first, ...others])
  const entries = caches.isShared ? await solver.known(roots, job) : []
  const final = options.forceCompression === true ? await recompressed(built, writer, job) : built
  return { entries, images: final.map((image) => caches.finish(image, entries)) }
}

/** Each layer once, whatever images have it. */
async function recompressed(
  images: readonly Image[],
  writer: LayerWriterOptions,
  job: Job,
): Promise<readonly Image[]> {
  const all = new Map(images.flatMap(({ layers }) => layers.map((layer) => [layer.descriptor.digest, layer])))
  const anew = new Map<Digest, Layer>()
  for (const [digest, layer] of all) anew.set(digest, await recompressLayer(layer, writer, job))
  return images.map((image) => ({
    ...image,
    layers: image.layers.map((layer) => anew.get(layer.descriptor.digest) ?? layer),
  }))
}

/** What everything new of an image is said to be made at (RFC 3339); undefined is when it was. */
function timeOf({ sourceDateEpoch: epoch }: Plan): string | undefined {
  return epoch === undefined ? undefined : new Date(epoch * 1000).toISOString()
}

/** Layers are shared, so that the platforms must agree. */
function requiredEpoch(plans: readonly Plan[]): number {
  const [epoch, ...others] = new Set(plans.map(({ sourceDateEpoch }) => sourceDateEpoch))
  if (others.length > 0)
    throw new OssbError(
      'ERR_OSSB_USAGE',
      'Cannot rewrite timestamps: SOURCE_DATE_EPOCH is not the same for all platforms',
    )
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

function writesToStream(outputs: readonly OutputSpec[]): boolean {
  return outputs.some((output) => 'dest' in output && output.dest === '-')
}

async function exportSolved(solved: Solved, exportAll: ExportAll): Promise<Solved & { exported: Exported }> {
  return { ...solved, exported: await exportAll(solved.images) }
}

/** What is written to standard output can't be taken back: every layer is here, and sound, before. */
async function exportOnce(
  solve: () => Promise<Solved>,
  exportAll: ExportAll,
  { lost }: Caches,
  job: Job,
): Promise<Solved & { exported: Exported }> {
  const solved = await withoutLost(
    lost,
    async () => {
      const done = await solve()
      for (const layer of done.images.flatMap(({ layers }) => layers))
        for await (const _chunk of await layer.open(job)) job.signal.throwIfAborted()
      return done
    },
    job,
  )
  return await exportSolved(solved, exportAll)
}

function exportersOf(options: BuildOptions, names: readonly string[], engine: Engine): readonly Exporter[] {
  const outputs: readonly OutputSpec[] =
    options.outputs.length === 0 ? [{ type: 'image', push: false }] : options.outputs
  return outputs.flatMap((output) => exportersFor(output, names, options, engine))
}

function exportersFor(
  output: OutputSpec,
  tags: readonly string[],
  options: BuildOptions,
  engine: Engine,
): readonly Exporter[] {
  const { standardOutput } = options
  const content = contentOptions(options, output)
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
        createStoreExporter({ store: engine.store, names, ...content, onlyWhole: output.push }),
        ...(output.push ? [registryExporter({ names, content }, options, engine)] : []),
      ]
    case 'oci':
      return [
        output.tar
          ? createOciArchiveExporter({ dest, names, ...content })
          : createOciLayoutExporter({
              dest: output.dest,
              names,
              lock: createIndexLock(engine.session, output.dest),
              ...content,
              ...(output.single === undefined ? {} : { single: output.single }),
            }),
      ]
    case 'docker':
      return [
        output.flat === true
          ? createFlatArchiveExporter({ dest, names })
          : createDockerArchiveExporter({ dest, names }),
      ]
    case 'tar':
      return [createRootfsTarExporter({ dest, roots, ...splitOf(output) })]
    case 'local':
      return [createLocalDirExporter({ dest: output.dest, roots, ...splitOf(output) })]
    default:
      return output satisfies never
  }
}

function splitOf({ platformSplit }: { readonly platformSplit?: boolean }): { platformSplit?: boolean } {
  return platformSplit === undefined ? {} : { platformSplit }
}

function targetOf(dest: string, standardOutput: Writable | undefined): OutputTarget {
  if (dest !== '-') return dest
  if (standardOutput !== undefined) return standardOutput
  throw new OssbError('ERR_OSSB_USAGE', 'Cannot write an output to "-": there is no standard output', {
    hint: 'Name a file.',
  })
}

function registryExporter(
  { names, content }: { readonly names: readonly string[]; readonly content: ContentOptions },
  options: BuildOptions,
  { registry }: Engine,
): Exporter {
  const { ignoreImmutableTags = false } = options
  return createRegistryExporter({
    names,
    ...content,
    ignoreImmutableTags,
    repository: (reference, behaviour) => registry.repository(reference, behaviour),
  })
}

/** Like BuildKit, makes an index of one image where the argument asks for it. */
function contentOptions(options: BuildOptions, output: OutputSpec): ContentOptions {
  const { imageFormat, buildArgs, annotations = [] } = options
  const own = 'annotations' in output ? (output.annotations ?? []) : []
  return {
    format: output.type === 'docker' ? 'docker' : imageFormat,
    annotations: [...annotations, ...own].map(({ platform, ...one }) => ({
      ...one,
      ...(platform === undefined ? {} : { platform: parsePlatform(platform) }),
    })),
    isIndex: isAttested(options) || /^(?:1|t|true)$/i.test(buildArgs['BUILDKIT_MULTI_PLATFORM'] ?? ''),
  }
}

async function* entriesOf(helper: NativeHelper, rootfs: string, job: Job) {
  for await (const entries of walkTree(helper, rootfs, job)) yield* entries
}
