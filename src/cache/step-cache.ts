import { readFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import * as v from 'valibot'
import {
  type Descriptor,
  type Digest,
  errnoOf,
  fileSystemError,
  isDigest,
  type Job,
  OssbError,
} from '../core/index.ts'
import { writeFileAtomic } from '../io/index.ts'
import type { ContentStore, Layer } from '../oci/index.ts'
import type { StorePaths } from '../store/index.ts'

/** Results of steps by key. A result is the whole stack of layers of the step's root file system. */
export interface Cache {
  find(key: Digest, job: Job): Promise<readonly Layer[] | undefined>
  save(key: Digest, layers: readonly Layer[], job: Job): Promise<void>
}

export interface StepCacheOptions {
  readonly paths: StorePaths
  readonly store: ContentStore
  /** Brings a layer of a base image to the store, from where it came ("registry/repository"). */
  readonly fetchRemote: (descriptor: Descriptor, origin: string, job: Job) => Promise<void>
}

const digest = v.custom<Digest>((value) => typeof value === 'string' && isDigest(value))

const record = v.object({
  layers: v.array(
    v.object({
      diffId: digest,
      descriptor: v.object({ mediaType: v.string(), digest, size: v.number() }),
      created: v.optional(v.string()),
      origin: v.optional(v.string()),
    }),
  ),
})

type LayerRecord = v.InferOutput<typeof record>['layers'][number]

/**
 * The cache of a cache directory. An entry counts only while all its layers can be had: here, or for those of a base
 * image where they came from. A damaged entry is a miss.
 */
export function createStepCache({ paths, store, fetchRemote }: StepCacheOptions): Cache {
  const revive = async (saved: LayerRecord, job: Job): Promise<Layer | undefined> => {
    const { diffId, descriptor, created, origin } = saved
    const about = {
      diffId,
      descriptor,
      ...(created === undefined ? {} : { created }),
      ...(origin === undefined ? {} : { origin }),
    }
    if (origin === undefined)
      return (await store.has(descriptor, job))
        ? { ...about, open: (opener) => openOrDiscard(store, descriptor, opener) }
        : undefined
    const fetch = (fetcher: Job) => fetchRemote(descriptor, origin, fetcher)
    return {
      ...about,
      fetch,
      open: async (opener) => {
        await fetch(opener)
        return await store.open(descriptor, opener)
      },
    }
  }

  return {
    find: async (key, job) => {
      const saved = readRecord(paths.step(key))
      if (saved === undefined) return undefined
      const layers = await Promise.all(saved.layers.map((layer) => revive(layer, job)))
      return layers.every((layer) => layer !== undefined) ? layers : undefined
    },
    save: (key, layers) => {
      const saved = layers.map(({ diffId, descriptor: { mediaType, digest, size }, created, origin }) => ({
        diffId,
        descriptor: { mediaType, digest, size },
        created,
        origin,
      }))
      writeFileAtomic(paths.step(key), JSON.stringify({ layers: saved }))
      return Promise.resolve()
    },
  }
}

/** A layer that only a step can make again is removed when it is found to be damaged: the next build makes it. */
async function openOrDiscard(store: ContentStore, descriptor: Descriptor, job: Job): Promise<Readable> {
  const stream = await store.open(descriptor, job)
  const watched = async function* () {
    try {
      yield* stream
    } catch (error) {
      if (!(error instanceof OssbError) || error.code !== 'ERR_OSSB_INTEGRITY') throw error
      store.discard(descriptor)
      throw new OssbError(error.code, `${error.message}. It was removed`, {
        cause: error,
        hint: 'It was damaged on the disk, where an earlier build had left it. Build again: its step will run anew.',
      })
    }
  }
  return Readable.from(watched(), { objectMode: false })
}

function readRecord(path: string): v.InferOutput<typeof record> | undefined {
  try {
    const parsed = v.safeParse(record, JSON.parse(readFileSync(path, 'utf8')))
    return parsed.success ? parsed.output : undefined
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || error instanceof SyntaxError) return undefined
    throw fileSystemError(`read "${path}"`, error)
  }
}
