import { availableParallelism } from 'node:os'
import { type CacheEntry, createLayerPacker, type LayerPacker, type PackedTar } from './cache/index.ts'
import type { Caches } from './caches.ts'
import { type Digest, type Failure, formatPlatform, type Job, joinErrors, OssbError } from './core/index.ts'
import type { Engine } from './engine.ts'
import type { Forerunner } from './exporters/index.ts'
import type { Plan, Vertex } from './graph/index.ts'
import type { LayerWriterOptions } from './layer/index.ts'
import type { Image, Layer } from './oci/index.ts'
import type { BuildOptions } from './options/index.ts'
import {
  createExecRunner,
  createFileRunner,
  createSolver,
  finishImage,
  markRewritten,
  type SolverOptions,
  squashHistory,
  squashLayers,
} from './solver/index.ts'

/** What the solver made of plans. */
export interface Solved {
  readonly images: readonly Image[]
  /** Results for other machines. */
  readonly entries: readonly CacheEntry[]
  /** What steps made, of images and of other stages. */
  readonly made: readonly Layer[]
}

export interface SolveParts extends Pick<SolverOptions, 'contexts' | 'sources' | 'layers'> {
  readonly caches: Caches
  /** Takes layers of images, as they will be there, before the images are finished. */
  readonly forerunner: Pick<Forerunner, 'send' | 'stream'>
}

/** How layers are written. @throws OssbError where times are to be rewritten, and none is given */
export function layerWriterOf(
  plans: readonly Plan[],
  options: BuildOptions,
  { store, session }: Pick<Engine, 'store' | 'session'>,
): LayerWriterOptions {
  const clampTo = epochOfLayers(plans, options)
  const times = { clampTo: BigInt(clampTo ?? 0) * 1_000_000_000n, clampsAll: options.reproducible === true }
  return { store, session, ...(clampTo === undefined ? {} : times) }
}

/** What times in layers become, in seconds; undefined where they stay. */
function epochOfLayers(
  plans: readonly Plan[],
  { rewriteTimestamp, reproducible }: BuildOptions,
): number | undefined {
  return rewriteTimestamp || reproducible === true ? requiredEpoch(plans) : undefined
}

/**
 * Carries plans out. The layers of images are compressed from when they are made, beside the steps that are still to be
 * done; those of other stages are not, but for a cache that wants them.
 */
export async function solvePlans(
  plans: readonly Plan[],
  { contexts, sources, caches, forerunner, layers: writer }: SolveParts,
  options: BuildOptions,
  engine: Engine,
  job: Job,
): Promise<Solved> {
  const { singleLayer = false, forceCompression = false, compression } = options
  const { session, codec, images, snapshotter } = engine
  const { lost } = caches
  const clampTo = epochOfLayers(plans, options)
  await using packer = createLayerPacker(
    {
      ...engine,
      compression,
      lost,
      force: forceCompression,
      packed: (layer) => forerunner.send(layer),
      stream: forerunner.stream,
    },
    job,
  )
  const inImages = singleLayer ? new Set() : stepsOfImages(plans)
  // Nothing waits for the last step of a single image: its layer is compressed while it is hashed.
  const last = plans.length === 1 && !singleLayer ? plans[0]?.root.digest : undefined
  const { packTar } = packer
  let packedTar: PackedTar | undefined
  const made: Layer[] = []
  const solver = createSolver({
    runners: {
      exec: createExecRunner({ ...engine, secrets: engine.secrets.forRuns }),
      file: createFileRunner(session, codec),
    },
    images,
    snapshotter,
    cache: caches.cache,
    observer: caches.observer,
    made: ({ digest }, layer) => {
      made.push(layer)
      if (digest === last) packedTar?.name(layer.diffId)
      if (inImages.has(digest)) packer.begin(layer)
    },
    tarReader: ({ digest }) =>
      digest === last && packTar !== undefined
        ? async (tar) => void (packedTar = await packTar(tar))
        : undefined,
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
  const all: Layer[] = []
  for (const [at, outcome] of outcomes.entries()) {
    const plan = plans[at] as Plan
    if (outcome.status === 'rejected') {
      failures.push({ name: formatPlatform(plan.platform), error: outcome.reason })
      continue
    }
    const stack = singleLayer
      ? await squashLayers(outcome.value, { ...engine, layers: writer }, job)
      : outcome.value
    all.push(...stack)
    const layers = await Promise.all(stack.map((layer) => packer.pack(layer)))
    const marked = clampTo === undefined ? layers : markRewritten(layers, clampTo)
    built.push(finishImage(singleLayer ? squashHistory(plan) : plan, marked, timeOf(plan)))
  }
  const [first, ...others] = failures
  if (first !== undefined) throw joinErrors(`build for ${plans.length} platforms`, [first, ...others])
  const known = caches.isShared ? await solver.known(roots, job) : []
  // The files of a cached step are those that it made, and no table of them.
  await using plain =
    compression.type === 'estargz'
      ? createLayerPacker(
          { ...engine, lost, force: false, compression: { ...compression, type: 'gzip' } },
          job,
        )
      : undefined
  const entries = await packed(caches.wanted(known, all), plain ?? packer)
  return { entries, made, images: built.map((image) => caches.finish(image, entries)) }
}

/** The steps whose layers are in an image: each root, and what it starts from. */
function stepsOfImages(plans: readonly Plan[]): ReadonlySet<Digest> {
  const steps = new Set<Digest>()
  for (const { root } of plans)
    for (let step: Vertex | undefined = root; step !== undefined; step = step.inputs[0])
      steps.add(step.digest)
  return steps
}

function packed(entries: readonly CacheEntry[], packer: LayerPacker): Promise<readonly CacheEntry[]> {
  return Promise.all(
    entries.map(async (entry) => ({
      ...entry,
      layers: await Promise.all(entry.layers.map((layer) => packer.pack(layer))),
    })),
  )
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
