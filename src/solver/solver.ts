import type { Cache, CachedResult, CacheEntry, StepAbout, Wanted } from '../cache/index.ts'
import { canonicalJson, type Digest, digestOf, type Job, jobOf, phase, withSource } from '../core/index.ts'
import type { SourceTree } from '../fs/index.ts'
import { type GitOp, type Op, topological, type Vertex } from '../graph/index.ts'
import { createSemaphore, type Semaphore } from '../io/index.ts'
import type { Layer } from '../oci/index.ts'
import { chainIdOf } from '../snapshot/index.ts'
import { resolveCommit } from '../sources/index.ts'
import type { StepObserver } from './explain.ts'
import { makesLayer } from './op-runner.ts'
import { layersOf, type Result, withTree } from './result.ts'
import { createRootJobs, type RootJobs } from './root-jobs.ts'
import { failureOf, runnerOf, runStep, type StepOptions } from './run-step.ts'
import { type SourceOptions, solveSource } from './solve-source.ts'
import { createTarMemory } from './state-layer.ts'

export interface SolverOptions extends Omit<StepOptions, 'tars'>, SourceOptions {
  readonly cache: Cache
  /** With `true` no result is looked up; results are saved all the same. */
  readonly noCache: boolean
  /** How many steps run at once. */
  readonly parallelism: number
  readonly observer?: StepObserver
  /** Is told of each layer that a step made. */
  readonly made?: (vertex: Vertex, layer: Layer) => void
}

export interface Solver {
  /**
   * The layers of each vertex's root file system, or why there are none. What several of them need is carried out once; a
   * failure stops all that nothing else needs.
   */
  solve(roots: readonly Vertex[], job: Job): Promise<readonly PromiseSettledResult<readonly Layer[]>[]>
  /** What caches know of all steps that lead to vertices which were solved, those that nothing was done for as well. */
  known(roots: readonly Vertex[], job: Job): Promise<readonly CacheEntry[]>
}

/** Changes whenever the same operation would give another layer than an earlier version of OSSB gave. */
const BEHAVIOUR = 'ossb-3'

/**
 * Carries out a graph: each vertex once, inputs first and side by side, and not at all where its result is known. A
 * result is looked up by two keys: first by what the step is defined by (its operation and those it builds on), then,
 * when its inputs are there, by what they contain.
 */
export function createSolver(options: SolverOptions): Solver {
  const limit = createSemaphore(options.parallelism)
  let last: Walk | undefined
  return {
    solve: async (roots, job) => {
      const jobs = createRootJobs(roots, job)
      const walk = createWalk(options, limit, jobs)
      last = walk
      const outcomes = await Promise.allSettled(roots.map(async (root) => layersOf(await walk.solve(root))))
      // Nothing of a step that failed may outlive this call.
      await walk.settled()
      return outcomes.map((outcome, at) =>
        outcome.status === 'rejected'
          ? { ...outcome, reason: jobs.failureOf(at) ?? outcome.reason }
          : outcome,
      )
    },
    known: async (roots, job) => (await last?.known(roots, job)) ?? [],
  }
}

interface Walk {
  solve(vertex: Vertex): Promise<Result>
  known(roots: readonly Vertex[], job: Job): Promise<readonly CacheEntry[]>
  settled(): Promise<void>
}

function createWalk(options: SolverOptions, limit: Semaphore, jobs: RootJobs): Walk {
  const { cache, snapshotter, runners } = options
  const results = new Map<Digest, Promise<Result>>()
  const definitionKeys = new Map<Digest, Promise<Digest>>()
  /** By vertex, what its definition key was made of. */
  const definitionInputs = new Map<Digest, readonly Digest[]>()
  /** Digests of what a vertex reads of its inputs. */
  const selected = new Map<string, Promise<Digest>>()
  const told = new Set<Digest>()
  const tars = createTarMemory()

  const solve = (vertex: Vertex): Promise<Result> => {
    const known = results.get(vertex.digest)
    if (known !== undefined) return known
    const job = jobs.of(vertex)
    const result = solveOnce(vertex, job).catch((error: unknown) => {
      // What stopped all steps is no fault of this one.
      const located = job.signal.aborted ? job.signal.reason : withSource(error, vertex.source)
      jobs.fail(vertex, located)
      throw located
    })
    results.set(vertex.digest, result)
    result.catch(() => undefined)
    return result
  }

  const solveOnce = async (vertex: Vertex, job: Job): Promise<Result> => {
    job.signal.throwIfAborted()
    if (!makesLayer(vertex.op)) return await solveSource(vertex, options, told, job)
    const key = await definitionKey(vertex)
    const known = await find(vertex, { key }, 'it is defined as before')
    if (known !== undefined) return { type: 'layers', layers: known.layers }
    const inputs = await allOf(vertex.inputs.map(solve))
    const contentKey = await contentKeyOf(vertex, inputs)
    // An independent layer is known by itself, whatever it comes to lie above.
    const below = isIndependent(vertex.op) ? layersOf(inputs[0]) : []
    const started = isIndependent(vertex.op) ? [] : layersOf(inputs[0])
    const same = await find(
      vertex,
      { key: contentKey, below: started },
      'its inputs have the content of before',
    )
    const about = aboutOf(vertex)
    if (same !== undefined) {
      const layers = [...below, ...same.layers]
      await cache.save(key, { layers, content: contentKey, about }, job)
      return { type: 'layers', layers }
    }
    await options.observer?.missed(vertex, about, job)
    const layers = await limit.run(() => runStep(vertex, inputs, { ...options, tars }, job), job.signal)
    for (const layer of layers.slice(-1)) options.made?.(vertex, layer)
    await cache.save(contentKey, { layers: layers.slice(below.length) }, job)
    await cache.save(key, { layers, content: contentKey, about }, job)
    return { type: 'layers', layers }
  }

  const isIndependent = (op: Op): boolean =>
    makesLayer(op) && runnerOf(runners, op).isIndependent?.(op) === true

  const find = async (vertex: Vertex, wanted: Wanted, reason: string): Promise<CachedResult | undefined> => {
    if (options.noCache) return undefined
    const job = jobs.of(vertex)
    const found = await cache.find(wanted, job)
    if (found === undefined) return undefined
    // Steps that a known result makes unnecessary are shown too, or a build would seem to have skipped them.
    for (const step of topological(vertex)) {
      if (!makesLayer(step.op) || told.has(step.digest)) continue
      options.observer?.hit(step, step === vertex ? reason : `"${vertex.name}" is known`, found.from)
      told.add(step.digest)
      job.emit({ type: 'cached', vertex: step.digest, name: step.name })
    }
    return found
  }

  /** What a step is defined by: its operation, the definitions of what it builds on, the content of contexts. */
  const definitionKey = (vertex: Vertex): Promise<Digest> => {
    const known = definitionKeys.get(vertex.digest) ?? computeDefinitionKey(vertex)
    definitionKeys.set(vertex.digest, known)
    return known
  }

  const computeDefinitionKey = async (vertex: Vertex): Promise<Digest> => {
    const { op } = vertex
    if (op.kind === 'git') return await gitKey(op, vertex)
    if (!makesLayer(op)) return op.kind === 'image' ? op.manifest.digest : digestOf(canonicalJson(op))
    const inputs = await allOf(
      vertex.inputs.map(async (input, i) =>
        isTree(input.op) ? await selectionDigests(vertex, i, await solve(input)) : await definitionKey(input),
      ),
    )
    definitionInputs.set(vertex.digest, inputs)
    return keyOf('definition', op, inputs)
  }

  /** What the definition key of a step was made of; it must have been made. */
  const aboutOf = ({ digest, name, op, inputs }: Vertex): StepAbout => ({
    name,
    op: { ...op },
    inputs: inputs.map((input, i) => ({
      name: isTree(input.op) ? `files of ${input.name}` : input.name,
      digest: definitionInputs.get(digest)?.[i] ?? digestOf(''),
    })),
    settings: settings(),
  })

  /** A ref is looked up anew, and nothing is fetched where the commit that it names was used before. */
  const gitKey = async (op: GitOp, vertex: Vertex): Promise<Digest> => {
    const commit = await resolveCommit(op, options.sources, jobs.of(vertex)).catch((error: unknown) => {
      throw withSource(error, vertex.source)
    })
    const { ref: _ref, checksum: _checksum, ...rest } = op
    return digestOf(canonicalJson({ ...rest, commit }))
  }

  /** What a step is made from: its operation, and the content of everything that it reads. */
  const contentKeyOf = async (vertex: Vertex, inputs: readonly Result[]): Promise<Digest> => {
    const digests = await allOf(
      inputs.map(async (input, i) =>
        i === 0 && input.type === 'layers' && !isIndependent(vertex.op)
          ? chainIdOf(input.layers)
          : await selectionDigests(vertex, i, input),
      ),
    )
    return keyOf('content', vertex.op, digests)
  }

  const selectionDigests = (vertex: Vertex, input: number, result: Result): Promise<Digest> => {
    const name = `${vertex.digest} ${input}`
    const known = selected.get(name) ?? digestSelections(vertex, input, result)
    selected.set(name, known)
    return known
  }

  const digestSelections = async (vertex: Vertex, input: number, result: Result): Promise<Digest> => {
    const { op } = vertex
    const selections = makesLayer(op) ? runnerOf(runners, op).selections(op) : []
    const own = selections.filter((selection) => selection.input === input)
    const job = jobs.of(vertex)
    if (own.length === 0) return digestOf('')
    const digest = async (tree: SourceTree) =>
      digestOf((await allOf(own.map((selection) => selection.digest(tree, job)))).join(' '))
    return await phase(
      `hash what is read of ${vertex.inputs[input]?.name ?? 'an input'}`,
      () => withTree(result, snapshotter, digest, job),
      jobOf(job, vertex.digest),
    ).catch((error: unknown) => {
      throw withSource(failureOf(error, vertex, job), vertex.source)
    })
  }

  /** What is the same for all steps of a build. */
  const settings = () => {
    const { layers, ignoredPaths } = options
    const { clampTo, clampsAll } = layers
    return { behaviour: BEHAVIOUR, clampTo: clampTo?.toString(), clampsAll, ignoredPaths }
  }

  const keyOf = (kind: string, op: Op, inputs: readonly Digest[]): Digest =>
    digestOf(canonicalJson({ ...settings(), kind, op, inputs }))

  const known = async (roots: readonly Vertex[], job: Job): Promise<readonly CacheEntry[]> => {
    const entries = new Map<Digest, CacheEntry>()
    const lookUp = async (key: Digest | undefined): Promise<CachedResult | undefined> => {
      const found = key === undefined ? undefined : await cache.find({ key }, job)
      if (key !== undefined && found !== undefined) entries.set(key, { key, ...found })
      return found
    }
    for (const step of roots.flatMap(topological).filter(({ op }) => makesLayer(op)))
      await lookUp((await lookUp(await definitionKey(step)))?.content)
    return [...entries.values()]
  }

  return {
    solve,
    known,
    settled: async () => {
      await Promise.allSettled(results.values())
    },
  }
}

function isTree(op: Op): boolean {
  return op.kind === 'context' || op.kind === 'http'
}

/** Promise.all that waits for all, also after one failed: nothing goes on behind its back. */
async function allOf<T>(promises: readonly Promise<T>[]): Promise<readonly T[]> {
  await Promise.allSettled(promises)
  return await Promise.all(promises)
}
