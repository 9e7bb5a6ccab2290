import { type Change, errnoOf, fileSystemError, type Job, jobOf, OssbError, phase } from '../core/index.ts'
import { createPatternMatcher, type SourceTree } from '../fs/index.ts'
import type { Op, Vertex } from '../graph/index.ts'
import { createLayer, describeLayer, type LayerWriterOptions, type TarReader } from '../layer/index.ts'
import type { Layer } from '../oci/index.ts'
import type { Snapshotter } from '../snapshot/index.ts'
import { makesLayer, type OpRunner } from './op-runner.ts'
import { layersOf, type Result, withTree } from './result.ts'
import { stateLayer, TAR_BYTES, type TarMemory } from './state-layer.ts'

/** The behaviour of every operation that makes a layer, by kind. */
export type Runners = { readonly [K in 'exec' | 'file']: OpRunner<Extract<Op, { kind: K }>> }

export function runnerOf(runners: Runners, op: Extract<Op, { kind: 'exec' | 'file' }>): OpRunner {
  return runners[op.kind]
}

export interface StepOptions {
  readonly runners: Runners
  readonly snapshotter: Snapshotter
  readonly layers: LayerWriterOptions
  /** What is in no layer, whatever a step made of it: absolute paths, or patterns as in .dockerignore. */
  readonly ignoredPaths?: readonly string[]
  readonly tars: TarMemory
  /** Who reads the tar of a step's layer while it is made, where that is large; undefined where nobody does. */
  readonly tarReader?: (vertex: Vertex) => TarReader | undefined
  /** When a step ran, for its layer (RFC 3339). */
  readonly now: () => string
}

/** Runs a step in a root file system above its input's, and freezes what it changed into a layer. */
export async function runStep(
  vertex: Vertex,
  inputs: readonly Result[],
  options: StepOptions,
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
    const failure = failureOf(error, vertex, job)
    own.emit({
      type: 'completed',
      name: vertex.name,
      error: failure instanceof Error ? failure.message : String(failure),
    })
    throw failure
  }
}

/** Why a step failed: the reason to stop, where there is one, whatever came of stopping; system errors as what they are. */
export function failureOf(error: unknown, vertex: Vertex, job: Job): unknown {
  if (job.signal.aborted) return job.signal.reason
  return errnoOf(error)?.startsWith('E') === true && !(error instanceof OssbError)
    ? fileSystemError(`carry out "${vertex.name}"`, error)
    : error
}

async function makeLayer(
  vertex: Vertex,
  inputs: readonly Result[],
  below: readonly Layer[],
  options: StepOptions,
  job: Job,
): Promise<Layer> {
  const { op } = vertex
  if (!makesLayer(op))
    throw new OssbError('ERR_OSSB_INTERNAL', `Cannot run "${vertex.name}": a ${op.kind} makes no layer`)
  const runner = runnerOf(options.runners, op)
  const isIndependent = runner.isIndependent?.(op) === true
  await using root = await phase(
    'prepare the root file system',
    () => options.snapshotter.prepare(isIndependent ? [] : below, job),
    job,
  )
  const read = [...new Set(runner.selections(op).map(({ input }) => input))]
  const run = (trees: ReadonlyMap<number, SourceTree>) => runner.run(op, vertex, root, trees, job)
  await phase('carry it out', () => withTrees(read, inputs, options.snapshotter, run, job), job)
  const created = options.now()
  const { ignoredPaths = [], snapshotter, layers } = options
  // An empty root with this layer is a state that no other step starts from.
  if (!isIndependent && ignoredPaths.length === 0 && snapshotter.reopen !== undefined) {
    const reader = options.tarReader?.(vertex)
    const { descriptor, tar } = await phase(
      'hash the layer',
      () => describeLayer(root.changes(job), root.rootfs, { ...layers, keepBytes: TAR_BYTES, reader }, job),
      job,
    )
    if (tar !== undefined) options.tars.add(descriptor.digest, tar)
    const layer = stateLayer({ diffId: descriptor.digest, descriptor, created }, below, options)
    await root.commit(layer, job)
    return layer
  }
  const kept = leaveOut(ignoredPaths, root.changes(job))
  const layer = await phase(
    'write the layer',
    () => createLayer(kept.changes, root.rootfs, created, layers, job),
    job,
  )
  // So is one with more than is in it.
  if (!isIndependent && !kept.isLess()) await root.commit(layer, job)
  return layer
}

/** The changes without those of some paths, and whether there were any of these. */
function leaveOut(
  paths: readonly string[],
  changes: AsyncIterable<Change>,
): { readonly changes: AsyncIterable<Change>; readonly isLess: () => boolean } {
  if (paths.length === 0) return { changes, isLess: () => false }
  const ignored = createPatternMatcher(paths.map((path) => path.replace(/^\/+/, '')))
  let isLess = false
  async function* kept() {
    for await (const change of changes) {
      if (ignored.matches(change.type === 'upsert' ? change.entry.path : change.path)) isLess = true
      else yield change
    }
  }
  return { changes: kept(), isLess: () => isLess }
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
