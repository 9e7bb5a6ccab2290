import { type Descriptor, type Digest, isDigest, type Job } from '../core/index.ts'
import type { BlobSource, ContentStore, ImageSource, Layer } from '../oci/index.ts'
import type { Cache, CachedResult } from './cache.ts'
import { CREATED_AT, type StackLayer, stacksOf, UNCOMPRESSED } from './cache-document.ts'
import type { LostLayers } from './lost-layers.ts'
import { readCache, type StoredCache } from './read-cache.ts'
import { withinMs } from './within.ts'
import { isOwn } from './write-document.ts'

/** What a shared cache is read through: whatever goes wrong with it costs time only. */
export interface ImportServices {
  readonly store: ContentStore
  readonly lost: LostLayers
  /** Brings content to the store. */
  readonly fetch: (content: Descriptor, source: BlobSource, job: Job) => Promise<void>
  /** The whole build: what is read for one step serves others. */
  readonly job: Job
}

export interface CacheSource {
  readonly repository: ImageSource
  /** A tag or a digest in it. */
  readonly name: string
  /** In messages. */
  readonly title: string
  /** Where its layers are ("registry/repository"); absent where that is no registry. */
  readonly origin?: string
}

/** How long the description of a cache may take. Its layers are waited for as those of a base image. */
const READ_MS = 15_000

/**
 * A cache that is kept elsewhere. Its description is read at the first question; what can't be read is a warning, and
 * as good as empty. Layers stay where they are until something needs their files.
 */
export function createImportedCache(source: CacheSource, services: ImportServices): Cache {
  let reading: Promise<ReadonlyMap<Digest, CachedResult>> | undefined
  const once = () => (reading ??= read())
  const { lost, job } = services
  const read = async (): Promise<ReadonlyMap<Digest, CachedResult>> => {
    try {
      const stored = await withinMs(READ_MS, (own) => readCache(source.repository, source, own), job)
      // The first build of all has nothing to find.
      return new Map((stored ?? []).flatMap((one) => resultsOf(one, source, services)))
    } catch (error) {
      if (job.signal.aborted) throw error
      const reason = error instanceof Error ? error.message : String(error)
      const message = `Nothing is taken from the cache ${source.title}: ${reason}`
      job.emit({ type: 'warning', rule: 'UnusableCache', message })
      return new Map()
    }
  }
  return {
    find: async ({ key }) => {
      const found = (await once()).get(key)
      return found?.layers.some(({ descriptor }) => lost.has(descriptor.digest)) === true ? undefined : found
    },
    save: () => Promise.resolve(),
    known: async () => [...(await once()).values()].flatMap(({ about }) => about ?? []),
  }
}

function resultsOf(
  stored: StoredCache,
  source: CacheSource,
  services: ImportServices,
): readonly (readonly [Digest, CachedResult])[] {
  return stored.document.records.filter(isOwn).flatMap((record) => {
    const { digest: key = '', 'dev.ossb.content': content, 'dev.ossb.about': about } = record
    const [stack] = stacksOf(stored.document, record)
    if (stack === undefined || !isDigest(key)) return []
    const layers = stack.flatMap((layer) => layerOf(layer, stored, source, services) ?? [])
    if (layers.length < stack.length) return []
    const more = { ...(content === undefined ? {} : { content }), ...(about === undefined ? {} : { about }) }
    return [[key, { layers, from: source.title, ...more }] as const]
  })
}

function layerOf(
  { blob, annotations }: StackLayer,
  { descriptors }: StoredCache,
  { repository, origin }: CacheSource,
  services: ImportServices,
): Layer | undefined {
  const described = descriptors.get(blob)
  const diffId = described?.annotations?.[UNCOMPRESSED] ?? ''
  if (described === undefined || !isDigest(diffId)) return undefined
  const created = annotations?.createdAt ?? described.annotations?.[CREATED_AT]
  return remoteLayer(
    {
      diffId,
      descriptor: described,
      ...(created === undefined ? {} : { created }),
      ...(origin === undefined ? {} : { origin }),
    },
    repository,
    services,
  )
}

/** A layer that is brought here when it is needed. */
export function remoteLayer(
  { descriptor: { mediaType, digest, size }, ...about }: Omit<Layer, 'open'>,
  source: BlobSource,
  { store, lost, fetch }: ImportServices,
): Layer {
  const descriptor = { mediaType, digest, size }
  const bring = (job: Job) => fetch(descriptor, source, job)
  return lost.watch({
    ...about,
    descriptor,
    fetch: bring,
    open: async (job) => {
      await bring(job)
      return await store.open(descriptor, job)
    },
  })
}
