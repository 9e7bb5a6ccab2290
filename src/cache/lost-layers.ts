import { Readable } from 'node:stream'
import { type Digest, type Job, OssbError } from '../core/index.ts'
import type { Layer } from '../oci/index.ts'

/**
 * Layers that a cache promised and that could not be had when they were needed. They are known for the rest of the
 * build: a result that has one is a miss, and what began with it can begin anew.
 */
export interface LostLayers {
  has(digest: Digest): boolean
  readonly count: number
  /** The same layer; when it turns out that it can't be had, or is not what it should be, it counts as lost. */
  watch(layer: Layer): Layer
}

export function createLostLayers(): LostLayers {
  const lost = new Set<Digest>()

  const watch = (layer: Layer): Layer => {
    const reject = () => {
      layer.reject?.()
      lost.add(layer.descriptor.digest)
    }
    const noted = (error: unknown, job: Job) => {
      // What the disk can't take, or the user stops, says nothing about the layer.
      if (!job.signal.aborted && isLoss(error)) reject()
      return error
    }
    const watched = async <T>(action: () => Promise<T>, job: Job): Promise<T> => {
      try {
        return await action()
      } catch (error) {
        throw noted(error, job)
      }
    }
    async function* read(chunks: AsyncIterable<Uint8Array>, job: Job) {
      try {
        yield* chunks
      } catch (error) {
        throw noted(error, job)
      }
    }
    if (layer.fetch !== undefined)
      // What is fetched is checked as it arrives.
      return {
        ...layer,
        open: (job) => watched(() => layer.open(job), job),
        fetch: (job) => watched(async () => await layer.fetch?.(job), job),
        reject,
      }
    return {
      ...layer,
      open: async (job) =>
        Readable.from(read(await watched(() => layer.open(job), job), job), { objectMode: false }),
      reject,
    }
  }

  return {
    has: (digest) => lost.has(digest),
    get count() {
      return lost.size
    },
    watch,
  }
}

function isLoss(error: unknown): boolean {
  return error instanceof OssbError && !['ERR_OSSB_NO_SPACE', 'ERR_OSSB_FILESYSTEM'].includes(error.code)
}

/**
 * Does `action`, and does it again for as long as it fails and layers were lost meanwhile: each time with fewer results
 * from caches, and at last with none.
 */
export async function withoutLost<T>(lost: LostLayers, action: () => Promise<T>, job: Job): Promise<T> {
  for (;;) {
    const before = lost.count
    try {
      return await action()
    } catch (error) {
      if (job.signal.aborted || lost.count === before) throw error
      const reason = error instanceof Error ? error.message : String(error)
      const message = `A cached layer could not be had: ${reason}. The steps that it came from are done again`
      job.emit({ type: 'warning', rule: 'LostCacheLayer', message })
    }
  }
}
