import type { Digest, Job } from '../core/index.ts'
import { topological, type Vertex } from '../graph/index.ts'

/** The jobs of the vertices below several roots. */
export interface RootJobs {
  /** The job of a vertex: stopped with the whole, and when every root that needs it has failed. */
  of(vertex: Vertex): Job
  /** A vertex failed, and with it each root that needs it. */
  fail(vertex: Vertex, reason: unknown): void
  /** Why the root failed first; undefined while it has not. */
  failureOf(root: number): unknown
}

/** Vertices that the same roots need. */
interface Group {
  readonly roots: readonly number[]
  readonly failure: AbortController
  readonly job: Job
}

export function createRootJobs(roots: readonly Vertex[], job: Job): RootJobs {
  const failures = new Map<number, unknown>()
  const groups = new Map<string, Group>()
  const groupOf = new Map<Digest, Group>()
  for (const [digest, needing] of neededBy(roots)) {
    const name = needing.join()
    const group = groups.get(name) ?? createGroup(needing, job)
    groups.set(name, group)
    groupOf.set(digest, group)
  }
  return {
    of: ({ digest }) => groupOf.get(digest)?.job ?? job,
    fail({ digest }, reason) {
      for (const root of groupOf.get(digest)?.roots ?? []) if (!failures.has(root)) failures.set(root, reason)
      for (const group of groups.values())
        if (group.roots.every((root) => failures.has(root))) group.failure.abort(reason)
    },
    failureOf: (root) => failures.get(root),
  }
}

function createGroup(roots: readonly number[], job: Job): Group {
  const failure = new AbortController()
  const signal = AbortSignal.any([job.signal, failure.signal])
  return { roots, failure, job: { signal, emit: (event) => job.emit(event) } }
}

/** The numbers of the roots that need each vertex. */
function neededBy(roots: readonly Vertex[]): ReadonlyMap<Digest, readonly number[]> {
  const needed = new Map<Digest, number[]>()
  for (const [at, root] of roots.entries()) {
    for (const { digest } of topological(root)) {
      const known = needed.get(digest)
      if (known === undefined) needed.set(digest, [at])
      else known.push(at)
    }
  }
  return needed
}
