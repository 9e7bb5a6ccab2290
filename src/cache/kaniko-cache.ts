import { Readable } from 'node:stream'
import * as v from 'valibot'
import {
  type Descriptor,
  type Digest,
  digestHex,
  digestOf,
  isDigest,
  type Job,
  MEDIA_TYPE,
  OssbError,
  toDockerLayerType,
} from '../core/index.ts'
import { createSemaphore } from '../io/index.ts'
import { type ImageSource, type Layer, parseManifest, type Repository } from '../oci/index.ts'
import { readDocument } from '../registry/index.ts'
import type { Cache, CacheEntry } from './cache.ts'
import { type ImportServices, remoteLayer } from './imported-cache.ts'
import { resolveName } from './read-cache.ts'
import { withinMs } from './within.ts'

/**
 * The repository that kaniko keeps layers in: an image of one layer for each step, its tag the key of the step (64 hex
 * digits).
 */
export interface KanikoCache {
  /** The layer of a key; undefined where there is none, or only one that is too old. @throws OssbError */
  find(key: string, job: Job): Promise<Layer | undefined>
}

export interface KanikoSource {
  /** A tag of it is read from the repository that this gives: mirrors may have some of them only. */
  readonly repository: ImageSource
  readonly title: string
  readonly origin?: string
  /** How old an image may be, in milliseconds. */
  readonly ttlMs: number
  readonly now: () => number
}

/** Its images state neither architecture nor operating system. */
const cachedImage = v.object({
  created: v.nullish(v.string()),
  history: v.nullish(v.array(v.object({ created: v.nullish(v.string()) }))),
  config: v.nullish(v.object({ Labels: v.nullish(v.record(v.string(), v.string())) })),
  rootfs: v.object({ diff_ids: v.nullable(v.array(v.string()), []) }),
})

/** Points from one key at another. */
const POINTER = 'kaniko.cache.pointer-target'
const MAX_POINTERS = 4

export function openKanikoCache(source: KanikoSource, services: ImportServices): KanikoCache {
  const { repository, ttlMs, now, origin } = source
  const find = async (key: string, job: Job, pointers = 0): Promise<Layer | undefined> => {
    const root = await resolveName(repository, key, job)
    if (root === undefined) return undefined
    const what = `the cached layer "${key}" of ${source.title}`
    const manifest = parseManifest(await readDocument(repository, root, job), what)
    const { created, history, config, rootfs } = parseCached(
      await readDocument(repository, manifest.config, job),
      what,
    )
    if (created !== null && created !== undefined && now() - Date.parse(created) > ttlMs) return undefined
    const target = config?.Labels?.[POINTER]
    if (target !== undefined && pointers < MAX_POINTERS) return await find(target, job, pointers + 1)
    const [descriptor] = manifest.layers
    const [diffId = ''] = rootfs.diff_ids
    if (descriptor === undefined || !isDigest(diffId)) return undefined
    const about = { diffId, descriptor, ...(origin === undefined ? {} : { origin }) }
    const made = history?.[0]?.created ?? created ?? new Date(0).toISOString()
    return remoteLayer({ ...about, created: made }, repository, services)
  }
  return { find: (key, job) => find(key, job) }
}

function parseCached(bytes: Buffer, what: string): v.InferOutput<typeof cachedImage> {
  try {
    return v.parse(cachedImage, JSON.parse(bytes.toString('utf8')))
  } catch (cause) {
    throw new OssbError('ERR_OSSB_CACHE', `Cannot read ${what}: it is no image of kaniko's`, { cause })
  }
}

export interface KanikoLayer {
  readonly key: string
  readonly layer: Layer
  /** What made it, for people. */
  readonly command?: string
  /** From now on it ages (RFC 3339). */
  readonly at: string
}

/** @throws OssbError */
export async function putKanikoLayer(
  repository: Repository,
  { key, layer, command, at }: KanikoLayer,
  job: Job,
): Promise<void> {
  const { descriptor, diffId, created } = layer
  const mediaType = toDockerLayerType(descriptor.mediaType) ?? descriptor.mediaType
  const config = {
    architecture: '',
    created: at,
    history: [{ author: 'kaniko', created, created_by: command }],
    os: '',
    rootfs: { type: 'layers', diff_ids: [diffId] },
    config: {},
  }
  const about = documentOf(MEDIA_TYPE.dockerConfig, config)
  const manifest = documentOf(MEDIA_TYPE.dockerManifest, {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.dockerManifest,
    config: about.descriptor,
    layers: [{ mediaType, digest: descriptor.digest, size: descriptor.size }],
  })
  await repository.put(descriptor, () => layer.open(job), job)
  for (const { descriptor: document, bytes } of [about, manifest])
    await repository.put(document, () => Promise.resolve(Readable.from([bytes])), job)
  await repository.tag(manifest.descriptor, key, job)
}

function documentOf(mediaType: string, document: object): { descriptor: Descriptor; bytes: Buffer } {
  const bytes = Buffer.from(JSON.stringify(document))
  return { bytes, descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length } }
}

const LOOKUP_MS = 10_000
/** A repository that failed so often in a row is not asked any more. */
const MAX_FAILURES = 3

/**
 * kaniko's repository as a cache of steps: each by the content of its inputs, as what lies below its layer must be known.
 * Whatever goes wrong with it costs time only.
 */
export function createKanikoSteps(cache: KanikoCache, title: string): Cache {
  let failures = 0
  const warn = (error: unknown, job: Job) => {
    failures += 1
    if (failures > 1 && failures < MAX_FAILURES) return
    const reason = error instanceof Error ? error.message : String(error)
    const more = failures === MAX_FAILURES ? 'It is not asked any more' : 'The step is carried out'
    const message = `Nothing is taken from the cache ${title}: ${reason}. ${more}`
    job.emit({ type: 'warning', rule: 'UnusableCache', message })
  }
  return {
    find: async ({ key, below }, job) => {
      if (below === undefined || failures >= MAX_FAILURES) return undefined
      try {
        const layer = await withinMs(LOOKUP_MS, (own) => cache.find(digestHex(key), own), job)
        failures = 0
        return layer === undefined ? undefined : { layers: [...below, layer], from: title }
      } catch (error) {
        if (job.signal.aborted) throw error
        warn(error, job)
        return undefined
      }
    },
    save: () => Promise.resolve(),
  }
}

/** Since when an entry ages; undefined where there is none that can be read. */
async function ageOf(repository: ImageSource, key: string, job: Job): Promise<number | undefined> {
  try {
    const root = await resolveName(repository, key, job)
    if (root === undefined) return undefined
    const { config } = parseManifest(await readDocument(repository, root, job), key)
    const time = Date.parse(parseCached(await readDocument(repository, config, job), key).created ?? '')
    return Number.isNaN(time) ? undefined : time
  } catch (error) {
    if (job.signal.aborted) throw error
    return undefined
  }
}

const PUSHES = 4

/** Puts the layers of steps, by the content of their inputs, where kaniko would. @throws OssbError */
export async function exportToKaniko(
  entries: readonly CacheEntry[],
  {
    repository,
    ttlMs,
    now,
    steps: kinds,
  }: Omit<KanikoSource, 'repository' | 'title'> & {
    readonly repository: Repository
    /** The kinds of operations whose layers are put there; absent is all. */
    readonly steps?: readonly string[]
  },
  job: Job,
): Promise<void> {
  const contents = new Set(
    entries.flatMap(({ content, about }): Digest[] => {
      const isWanted = kinds === undefined || kinds.includes(String(about?.op['kind']))
      return content !== undefined && isWanted ? [content] : []
    }),
  )
  const places = createSemaphore(PUSHES)
  const steps = entries.flatMap(({ key, layers }) => {
    const layer = layers.at(-1)
    const at = new Date(now()).toISOString()
    return contents.has(key) && layer !== undefined ? [{ key: digestHex(key), layer, at }] : []
  })
  const put = async (step: KanikoLayer) => {
    // What is there and will live for a while stays: registries count pushes.
    const known = await ageOf(repository, step.key, job)
    if (known === undefined || now() - known > ttlMs / 2) await putKanikoLayer(repository, step, job)
  }
  const outcomes = await Promise.allSettled(steps.map((step) => places.run(() => put(step), job.signal)))
  const failure = outcomes.find((outcome) => outcome.status === 'rejected')
  if (failure !== undefined) throw failure.reason
}
