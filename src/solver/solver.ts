import { join } from 'node:path'
import type { Cache } from '../cache/index.ts'
import {
  canonicalJson,
  type Digest,
  digestOf,
  type Job,
  jobOf,
  OssbError,
  withSource,
} from '../core/index.ts'
import type { SourceTree } from '../fs/index.ts'
import { type HttpOp, type Op, topological, type Vertex } from '../graph/index.ts'
import { createSemaphore, type Semaphore } from '../io/index.ts'
import { createLayer, type LayerWriterOptions } from '../layer/index.ts'
import type { Layer } from '../oci/index.ts'
import { chainIdOf, type Snapshotter } from '../snapshot/index.ts'
import { download } from '../sources/index.ts'
import type { Workspace } from '../store/index.ts'
import { type LayerProvider, makesLayer, type OpRunner } from './op-runner.ts'
import { layersOf, type Result, withTree } from './result.ts'

/** The behaviour of every operation that makes a layer, by kind. */
export type Runners = { readonly [K in 'exec' | 'file']: OpRunner<Extract<Op, { kind: K }>> }

export interface SolverOptions {
  readonly runners: Runners
  readonly images: LayerProvider
  readonly snapshotter: Snapshotter
  readonly cache: Cache
  readonly workspace: Workspace
  readonly layers: LayerWriterOptions
  /** Build contexts by name. */
  readonly contexts: ReadonlyMap<string, SourceTree>
  /** With `true` no result is looked up; results are saved all the same. */
  readonly noCache: boolean
  /** How many steps run at once. */
  readonly parallelism: number
  /** When a step ran, for its layer (RFC 3339). */
  readonly now: () => string
}

export interface Solver {
  /** The layers of a vertex's root file system. */
  solve(root: Vertex, job: Job): Promise<readonly Layer[]>
}

/** Changes whenever the same operation would give another layer than an earlier version of OSSB gave. */
const BEHAVIOUR = 'ossb-1'

/**
 * Carries out a graph: each vertex once, inputs first and side by side, and not at all where its result is known. A
 * result is looked up by two keys: first by what the step is defined by (its operation and those it builds on), then,
 * when its inputs are there, by what they contain.
 */
export function createSolver(options: SolverOptions): Solver {
  const limit = createSemaphore(options.parallelism)
  return {
    solve: async (root, job) => {
      const failure = new AbortController()
      const own: Job = {
        signal: AbortSignal.any([job.signal, failure.signal]),
        emit: (event) => job.emit(event),
      }
      const walk = createWalk(options, limit, failure, own)
      try {
        return layersOf(await walk.solve(root))
      } finally {
        // A step that failed stops the others; nothing of them may outlive this call.
        await walk.settled()
      }
    },
  }
}

interface Walk {
  solve(vertex: Vertex): Promise<Result>
  settled(): Promise<void>
}

function createWalk(options: SolverOptions, limit: Semaphore, failure: AbortController, job: Job): Walk {
  const { cache, snapshotter, runners } = options
  const results = new Map<Digest, Promise<Result>>()
  const definitionKeys = new Map<Digest, Promise<Digest>>()
  const told = new Set<Digest>()

  const solve = (vertex: Vertex): Promise<Result> => {
    const known = results.get(vertex.digest)
    if (known !== undefined) return known
    const result = solveOnce(vertex).catch((error: unknown) => {
      const located = withSource(error, vertex.source)
      failure.abort(located)
      throw located
    })
    results.set(vertex.digest, result)
    result.catch(() => undefined)
    return result
  }

  const solveOnce = async (vertex: Vertex): Promise<Result> => {
    job.signal.throwIfAborted()
    if (!makesLayer(vertex.op)) return await solveSource(vertex, options, told, job)
    const key = await definitionKey(vertex)
    const known = await find(vertex, key)
    if (known !== undefined) return known
    const inputs = await allOf(vertex.inputs.map(solve))
    const contentKey = await contentKeyOf(vertex, inputs)
    const same = await find(vertex, contentKey)
    if (same !== undefined) {
      await cache.save(key, layersOf(same), job)
      return same
    }
    const layers = await limit.run(() => runStep(vertex, inputs, options, job), job.signal)
    await cache.save(contentKey, layers, job)
    await cache.save(key, layers, job)
    return { type: 'layers', layers }
  }

  const find = async (vertex: Vertex, key: Digest): Promise<Result | undefined> => {
    if (options.noCache) return undefined
    const layers = await cache.find(key, job)
    if (layers === undefined) return undefined
    // Steps that a known result makes unnecessary are shown too, or a build would seem to have skipped them.
    for (const step of topological(vertex)) {
      if (!makesLayer(step.op) || told.has(step.digest)) continue
      told.add(step.digest)
      job.emit({ type: 'cached', vertex: step.digest, name: step.name })
    }
    return { type: 'layers', layers }
  }

  /** What a step is defined by: its operation, the definitions of what it builds on, the content of contexts. */
  const definitionKey = (vertex: Vertex): Promise<Digest> => {
    const known = definitionKeys.get(vertex.digest) ?? computeDefinitionKey(vertex)
    definitionKeys.set(vertex.digest, known)
    return known
  }

  const computeDefinitionKey = async (vertex: Vertex): Promise<Digest> => {
    const { op } = vertex
    if (!makesLayer(op)) return op.kind === 'image' ? op.manifest.digest : digestOf(canonicalJson(op))
    const inputs = await allOf(
      vertex.inputs.map(async (input, i) =>
        isTree(input.op) ? await selectionDigests(vertex, i, await solve(input)) : await definitionKey(input),
      ),
    )
    return keyOf('definition', op, inputs)
  }

  /** What a step is made from: its operation, and the content of everything that it reads. */
  const contentKeyOf = async (vertex: Vertex, inputs: readonly Result[]): Promise<Digest> => {
    const digests = await allOf(
      inputs.map(async (input, i) =>
        i === 0 && input.type === 'layers'
          ? chainIdOf(input.layers)
          : await selectionDigests(vertex, i, input),
      ),
    )
    return keyOf('content', vertex.op, digests)
  }

  const selectionDigests = async (vertex: Vertex, input: number, result: Result): Promise<Digest> => {
    const { op } = vertex
    const selections = makesLayer(op)
      ? runnerOf(runners, op)
          .selections(op)
          .filter((selection) => selection.input === input)
      : []
    return await withTree(
      result,
      snapshotter,
      (tree) =>
        Promise.resolve(
          digestOf(selections.map((selection) => locate(() => selection.digest(tree), vertex)).join(' ')),
        ),
      job,
    )
  }

  const keyOf = (kind: string, op: Op, inputs: readonly Digest[]): Digest => {
    const { compression, clampTo } = options.layers
    return digestOf(
      canonicalJson({ behaviour: BEHAVIOUR, kind, op, inputs, compression, clampTo: clampTo?.toString() }),
    )
  }

  return {
    solve,
    settled: async () => {
      await Promise.allSettled(results.values())
    },
  }
}

function isTree(op: Op): boolean {
  return op.kind === 'context' || op.kind === 'http'
}

function locate<T>(action: () => T, vertex: Vertex): T {
  try {
    return action()
  } catch (error) {
    throw withSource(error, vertex.source)
  }
}

/** Promise.all that waits for all, also after one failed: nothing goes on behind its back. */
async function allOf<T>(promises: readonly Promise<T>[]): Promise<readonly T[]> {
  await Promise.allSettled(promises)
  return await Promise.all(promises)
}

function runnerOf(runners: Runners, op: Extract<Op, { kind: 'exec' | 'file' }>): OpRunner {
  return runners[op.kind] as OpRunner
}

/** Runs a step in a root file system above its input's, and freezes what it changed into a layer. */
async function runStep(
  vertex: Vertex,
  inputs: readonly Result[],
  options: SolverOptions,
  job: Job,
): Promise<readonly Layer[]> {
  const own = jobOf(job, vertex.digest)
  own.emit({ type: 'started', name: vertex.name })
  try {
    const below = layersOf(inputs[0])
    const layer = await makeLayer(vertex, inputs, below, options, own)
    own.emit({ type: 'completed', name: vertex.name })
    return [...below, layer]
  } catch (error) {
    own.emit({
      type: 'completed',
      name: vertex.name,
      error: error instanceof Error ? error.message : String(error),
    })
    throw error
  }
}

async function makeLayer(
  vertex: Vertex,
  inputs: readonly Result[],
  below: readonly Layer[],
  options: SolverOptions,
  job: Job,
): Promise<Layer> {
  const { op } = vertex
  if (!makesLayer(op))
    throw new OssbError('ERR_OSSB_INTERNAL', `Cannot run "${vertex.name}": a ${op.kind} makes no layer`)
  const runner = runnerOf(options.runners, op)
  await using root = await options.snapshotter.prepare(below, job)
  const read = [...new Set(runner.selections(op).map(({ input }) => input))]
  await withTrees(read, inputs, options.snapshotter, (trees) => runner.run(op, vertex, root, trees, job), job)
  const layer = await createLayer(root.changes(job), root.rootfs, options.now(), options.layers, job)
  await root.commit(layer, job)
  return layer
}

/** Shows several inputs as trees at once. */
async function withTrees(
  read: readonly number[],
  inputs: readonly Result[],
  snapshotter: Snapshotter,
  use: (trees: ReadonlyMap<number, SourceTree>) => Promise<void>,
  job: Job,
  shown: ReadonlyMap<number, SourceTree> = new Map(),
): Promise<void> {
  const [input, ...others] = read
  const result = input === undefined ? undefined : inputs[input]
  if (input === undefined || result === undefined) return await use(shown)
  await withTree(
    result,
    snapshotter,
    (tree) => withTrees(others, inputs, snapshotter, use, job, new Map([...shown, [input, tree]])),
    job,
  )
}

async function solveSource(
  vertex: Vertex,
  options: SolverOptions,
  told: Set<Digest>,
  job: Job,
): Promise<Result> {
  const { op } = vertex
  switch (op.kind) {
    case 'scratch':
      return { type: 'layers', layers: [] }
    case 'context':
      return { type: 'tree', tree: contextOf(options.contexts, op.name) }
    case 'image':
      return await reportedSource(vertex, told, job, async (own) => ({
        type: 'layers',
        layers: await options.images.layers(op, own),
      }))
    case 'http':
      return await reportedSource(vertex, told, job, (own) => downloadTree(op, options.workspace, own))
    case 'exec':
    case 'file':
      throw new OssbError('ERR_OSSB_INTERNAL', `Cannot take "${vertex.name}" as a source`)
    default:
      return op satisfies never
  }
}

async function reportedSource(
  vertex: Vertex,
  told: Set<Digest>,
  job: Job,
  action: (own: Job) => Promise<Result>,
): Promise<Result> {
  const own = jobOf(job, vertex.digest)
  told.add(vertex.digest)
  own.emit({ type: 'started', name: vertex.name })
  try {
    const result = await action(own)
    own.emit({ type: 'completed', name: vertex.name })
    return result
  } catch (error) {
    own.emit({
      type: 'completed',
      name: vertex.name,
      error: error instanceof Error ? error.message : String(error),
    })
    throw error
  }
}

function contextOf(contexts: ReadonlyMap<string, SourceTree>, name: string): SourceTree {
  const tree = contexts.get(name)
  if (tree === undefined)
    throw new OssbError(
      'ERR_OSSB_CONTEXT',
      `Cannot use the build context "${name}": there is none of this name`,
    )
  return tree
}

async function downloadTree(op: HttpOp, workspace: Workspace, job: Job): Promise<Result> {
  const root = workspace.directory()
  const { url, fileName, checksum } = op
  await download({ url, path: join(root, fileName), ...(checksum === undefined ? {} : { checksum }) }, job)
  return { type: 'tree', tree: { root } }
}
