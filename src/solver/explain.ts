import { type Cache, differences, likeness, type StepAbout } from '../cache/index.ts'
import type { Digest, Job } from '../core/index.ts'
import type { Vertex } from '../graph/index.ts'

/** Why a step was, or was not, taken from a cache. */
export interface StepExplanation {
  /** "[build 2/5] RUN make" */
  readonly step: string
  readonly outcome: 'hit' | 'miss'
  /** The cache that had it; absent is the cache directory. */
  readonly from?: string
  readonly reasons: readonly string[]
}

/** Is told once of each step. */
export interface StepObserver {
  hit(vertex: Vertex, reason: string, from: string | undefined): void
  missed(vertex: Vertex, about: StepAbout, job: Job): Promise<void>
}

/**
 * Finds out why steps missed, and tells it in the order in which they did.
 * @param cache absent where none is looked at
 */
export function createExplainer(
  cache: Cache | undefined,
  tell: (explanation: StepExplanation) => void,
): StepObserver {
  const told = new Set<Digest>()
  const missed = new Map<string, Digest>()
  let known: Promise<readonly StepAbout[]> | undefined

  const reasonsOf = async (about: StepAbout, job: Job): Promise<readonly string[]> => {
    if (cache === undefined) return ['results of before are not looked at (--no-cache)']
    // What this build itself adds is no explanation.
    known ??= cache.known?.(job) ?? Promise.resolve([])
    const [like] = (await known)
      .map((before) => ({ before, score: likeness(before, about) }))
      .filter(({ score }) => score > 0)
      .sort((a, b) => b.score - a.score)
    if (like === undefined) return ['no result of a step like it is known']
    const differ = differences(like.before, about)
    if (differ.length === 0) return ['its result is not there any more']
    return differ.map((difference) => {
      const follows = about.inputs.find(
        ({ name }) => missed.has(name) && difference.startsWith(`${name} changed`),
      )
      return follows === undefined ? difference : `follows ${follows.name}, which missed`
    })
  }

  return {
    hit(vertex, reason, from) {
      if (told.has(vertex.digest)) return
      told.add(vertex.digest)
      tell({ step: vertex.name, outcome: 'hit', reasons: [reason], ...(from === undefined ? {} : { from }) })
    },
    async missed(vertex, about, job) {
      if (told.has(vertex.digest)) return
      told.add(vertex.digest)
      const reasons = await reasonsOf(about, job)
      missed.set(vertex.name, vertex.digest)
      tell({ step: vertex.name, outcome: 'miss', reasons })
    },
  }
}
