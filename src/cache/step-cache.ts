import { existsSync, readdirSync, readFileSync, statSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import * as v from 'valibot'
import { type Descriptor, type Digest, errnoOf, fileSystemError, isDigest, type Job } from '../core/index.ts'
import { writeFileAtomic } from '../io/index.ts'
import type { ContentStore, Layer } from '../oci/index.ts'
import type { StorePaths } from '../store/index.ts'
import type { Cache, CachedResult } from './cache.ts'
import { compressedForms } from './compressed-forms.ts'
import type { LostLayers } from './lost-layers.ts'
import { aboutSchema, type StepAbout } from './step-about.ts'

export interface StepCacheOptions {
  readonly paths: StorePaths
  readonly store: ContentStore
  /** Brings a layer of a base image to the store, from where it came ("registry/repository"). */
  readonly fetchRemote: (descriptor: Descriptor, origin: string, job: Job) => Promise<void>
  readonly lost: LostLayers
  /** A layer above others by the state that is kept of them; undefined where there is none. Absent where none is. */
  readonly fromState?: (about: Omit<Layer, 'open'>, below: readonly Layer[]) => Layer | undefined
}

const digest = v.custom<Digest>((value) => typeof value === 'string' && isDigest(value))

/** A result, as it is kept. */
export interface StepRecord {
  readonly layers: readonly {
    readonly diffId: Digest
    readonly descriptor: Descriptor
    readonly created?: string | undefined
    readonly origin?: string | undefined
  }[]
  readonly content?: Digest | undefined
  readonly about?: StepAbout | undefined
}

const record = v.object({
  layers: v.array(
    v.object({
      diffId: digest,
      descriptor: v.object({ mediaType: v.string(), digest, size: v.number() }),
      created: v.optional(v.string()),
      origin: v.optional(v.string()),
    }),
  ),
  content: v.optional(digest),
  about: v.optional(aboutSchema),
})

type LayerRecord = StepRecord['layers'][number]

/**
 * The cache of a cache directory. An entry counts only while all its layers can be had: here, or where they came from.
 * A damaged entry is a miss, and a damaged layer is one from when it is found to be.
 */
export function createStepCache(options: StepCacheOptions): Cache {
  const { paths } = options
  return {
    find: async ({ key }, job) => {
      const saved = readRecord(paths.step(key))
      if (saved === undefined) return undefined
      const layers: Layer[] = []
      for (const one of saved.layers) {
        const layer = await revive(one, [...layers], options, job)
        if (layer === undefined) return undefined
        layers.push(layer)
      }
      const { content, about } = saved
      touch(paths.step(key))
      return {
        layers,
        ...(content === undefined ? {} : { content }),
        ...(about === undefined ? {} : { about }),
      }
    },
    save: (key, result) => {
      writeFileAtomic(paths.step(key), JSON.stringify(recordOf(result)), { isKept: false })
      return Promise.resolve()
    },
    known: () => Promise.resolve(aboutsIn(paths)),
  }
}

/** What is of use stays longest: see pruneSome(). */
function touch(path: string): void {
  const now = new Date()
  try {
    utimesSync(path, now, now)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'EROFS')
      throw fileSystemError(`touch "${path}"`, error)
  }
}

/** Of all records, the latest first. */
function aboutsIn({ steps }: StorePaths): readonly StepAbout[] {
  const files = existsSync(steps) ? readdirSync(steps).map((name) => join(steps, name)) : []
  const dated = files.map((file) => ({ file, time: statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0 }))
  return dated.sort((a, b) => b.time - a.time).flatMap(({ file }) => readRecord(file)?.about ?? [])
}

async function revive(
  { diffId, descriptor, created, origin }: LayerRecord,
  below: readonly Layer[],
  { paths, store, fetchRemote, lost, fromState }: StepCacheOptions,
  job: Job,
): Promise<Layer | undefined> {
  const about = {
    diffId,
    ...(created === undefined ? {} : { created }),
    ...(origin === undefined ? {} : { origin }),
  }
  if (origin === undefined) {
    // Few plain layers are ever written: a compressed form stands in for one, or the state that it was made as.
    const forms = Object.values(compressedForms(paths, diffId)).filter((form) => form.diffId === diffId)
    for (const here of [descriptor, ...forms.map((form) => form.descriptor)]) {
      if (lost.has(here.digest) || !(await store.has(here, job))) continue
      const open = (opener: Job) => store.open(here, opener)
      return lost.watch({ ...about, descriptor: here, open, reject: () => store.discard(here) })
    }
    if (descriptor.digest !== diffId || lost.has(diffId)) return undefined
    const layer = fromState?.({ ...about, descriptor }, below)
    return layer === undefined ? undefined : lost.watch(layer)
  }
  if (lost.has(descriptor.digest)) return undefined
  const fetch = (fetcher: Job) => fetchRemote(descriptor, origin, fetcher)
  return lost.watch({
    ...about,
    descriptor,
    fetch,
    open: async (opener) => {
      await fetch(opener)
      return await store.open(descriptor, opener)
    },
  })
}

function recordOf({ layers, content, about }: CachedResult): v.InferInput<typeof record> {
  return {
    layers: layers.map(({ diffId, descriptor: { mediaType, digest, size }, created, origin }) => ({
      diffId,
      descriptor: { mediaType, digest, size },
      created,
      origin,
    })),
    content,
    about,
  }
}

/** What is kept of a result; undefined for what is damaged. */
export function readRecord(path: string): StepRecord | undefined {
  try {
    const parsed = v.safeParse(record, JSON.parse(readFileSync(path, 'utf8')))
    return parsed.success ? parsed.output : undefined
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || error instanceof SyntaxError) return undefined
    throw fileSystemError(`read "${path}"`, error)
  }
}
