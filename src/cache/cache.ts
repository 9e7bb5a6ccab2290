import type { Digest, Job } from '../core/index.ts'
import type { Layer } from '../oci/index.ts'
import type { StepAbout } from './step-about.ts'

/** Results of steps by key. */
export interface Cache {
  find(wanted: Wanted, job: Job): Promise<CachedResult | undefined>
  save(key: Digest, result: CachedResult, job: Job): Promise<void>
  /** What its results are of, the latest first, as far as that is kept; absent where nothing is. */
  known?(job: Job): Promise<readonly StepAbout[]>
}

export interface Wanted {
  readonly key: Digest
  /** The layers that the step's own is to lie above, where they are known already. */
  readonly below?: readonly Layer[]
}

export interface CachedResult {
  /** The whole stack of layers of the step's root file system; of a step that stands by itself its own layer. */
  readonly layers: readonly Layer[]
  /** For the result of a definition: the key of the same step by the content of its inputs. */
  readonly content?: Digest
  /** For the result of a definition: what it was. */
  readonly about?: StepAbout
  /** Where it was found, for people; absent is the cache directory. */
  readonly from?: string
}

/** A result under its key, as it goes to other machines. */
export interface CacheEntry extends CachedResult {
  readonly key: Digest
}

/** Looks in one cache after the other, the nearest first. It alone keeps results, also those that others had. */
export function firstHit(nearest: Cache, others: readonly Cache[]): Cache {
  return {
    find: async (wanted, job) => {
      const here = await nearest.find(wanted, job)
      if (here !== undefined) return here
      for (const cache of others) {
        const found = await cache.find(wanted, job)
        if (found === undefined) continue
        await nearest.save(wanted.key, found, job)
        return found
      }
      return undefined
    },
    save: (key, result, job) => nearest.save(key, result, job),
    known: async (job) => {
      const all = await Promise.all(
        [nearest, ...others].map(async (cache) => (await cache.known?.(job)) ?? []),
      )
      return all.flat()
    },
  }
}
