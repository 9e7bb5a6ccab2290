import { Readable } from 'node:stream'
import { type Descriptor, type Digest, digestOf, type Job, MEDIA_TYPE, OssbError } from '../core/index.ts'
import { type Clock, createSemaphore } from '../io/index.ts'
import type { ImageDocument, Layer, Repository } from '../oci/index.ts'
import type { CacheEntry } from './cache.ts'
import { CACHE_CONFIG, CREATED_AT, type DocumentRecord, stacksOf, UNCOMPRESSED } from './cache-document.ts'
import { NotACache, readCache, type StoredCache } from './read-cache.ts'
import { withoutValues } from './step-about.ts'
import { layersOfDocument, writeDocument } from './write-document.ts'

export interface CacheTarget {
  readonly repository: Repository
  readonly tag: string
  /** In messages. */
  readonly title: string
  /** `index` is BuildKit's older form, of entries that are layers; `docker` its form with Docker's media types. */
  readonly form: 'manifest' | 'index' | 'docker'
  /** Lets one writer at a time in; absent where nothing can. */
  readonly exclusive?: <T>(action: () => Promise<T>, job: Job) => Promise<T>
}

const PUSHES = 4
/** Of several writers at once each looks whether its own results are there, and adds them again. */
const ATTEMPTS = 8
/** Results that are still of use are marked so from time to time, or they would have to give way to newer ones. */
const REFRESH_MS = 24 * 3600 * 1000

/**
 * Adds results to a cache that is kept elsewhere, layers first. What is there stays, as far as there is room. A registry
 * replaces what a tag names without looking, so that of two writers one may undo the other's work: each looks
 * afterwards, and does it again where that has happened.
 * @throws OssbError
 */
export async function exportCache(
  entries: readonly CacheEntry[],
  target: CacheTarget,
  clock: Clock,
  job: Job,
): Promise<void> {
  if (entries.length === 0) return
  await putLayers(entries, target.repository, job)
  const exclusive = target.exclusive ?? ((action) => action())
  await exclusive(async () => {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
      const before = await readStored(target, job)
      if (holdsAll(before, entries, clock.now())) return
      const started = clock.now()
      await replace(entries, before, target, started, job)
      if (target.exclusive !== undefined) return
      // Longer than another writer has between its look and its write.
      const took = clock.now() - started
      await clock.sleep((50 + 2 * took) * (1 + clock.random()), job.signal)
    }
  }, job)
}

async function putLayers(entries: readonly CacheEntry[], repository: Repository, job: Job): Promise<void> {
  const layers = new Map(
    entries.flatMap((entry) => entry.layers.map((layer) => [layer.descriptor.digest, layer])),
  )
  const places = createSemaphore(PUSHES)
  const put = (layer: Layer) =>
    places.run(() => repository.put(bare(layer.descriptor), () => layer.open(job), job), job.signal)
  const outcomes = await Promise.allSettled([...layers.values()].map(put))
  const failure = outcomes.find((outcome) => outcome.status === 'rejected')
  if (failure !== undefined) throw failure.reason
}

/**
 * The cache that is there; undefined where there is none, or none that can be read.
 * @throws OssbError where there is an image, which must not be lost
 */
async function readStored(target: CacheTarget, job: Job): Promise<StoredCache | undefined> {
  try {
    const [stored] =
      (await readCache(target.repository, { name: target.tag, title: target.title }, job)) ?? []
    return stored
  } catch (error) {
    if (error instanceof NotACache) throw error
    if (error instanceof OssbError && MENDED.includes(error.code)) return undefined
    throw error
  }
}

const MENDED: readonly string[] = [
  'ERR_OSSB_NOT_FOUND',
  'ERR_OSSB_INTEGRITY',
  'ERR_OSSB_IMAGE_INVALID',
  'ERR_OSSB_CACHE',
]

function holdsAll(stored: StoredCache | undefined, entries: readonly CacheEntry[], now: number): boolean {
  if (stored === undefined) return false
  const { document } = stored
  const records = new Map(document.records.map((record) => [record.digest, record]))
  return entries.every(({ key, layers }) => {
    const record = records.get(key)
    if (record === undefined || now - ageOf(record) > REFRESH_MS) return false
    const wanted = layers.map(({ descriptor }) => descriptor.digest).join()
    return stacksOf(document, record).some((stack) => stack.map(({ blob }) => blob).join() === wanted)
  })
}

function ageOf({ layers }: DocumentRecord): number {
  return Date.parse(layers?.[0]?.createdAt ?? '') || 0
}

async function replace(
  entries: readonly CacheEntry[],
  before: StoredCache | undefined,
  target: CacheTarget,
  now: number,
  job: Job,
): Promise<void> {
  try {
    await put(assemble(entries, before, target, now), target, job)
  } catch (error) {
    if (before === undefined || job.signal.aborted) throw error
    // The registry may have thrown away what the others' results need.
    await put(assemble(entries, undefined, target, now), target, job)
  }
}

interface Assembled {
  readonly config: ImageDocument
  readonly root: ImageDocument
}

function assemble(
  entries: readonly CacheEntry[],
  before: StoredCache | undefined,
  { form }: CacheTarget,
  now: number,
): Assembled {
  const at = new Date(now).toISOString()
  const document = writeDocument(
    entries.map(({ key, layers, content, about }) => ({
      key,
      at,
      stack: layers.map(({ descriptor, created }) => ({
        blob: descriptor.digest,
        ...(created === undefined ? {} : { annotations: { createdAt: created } }),
      })),
      ...(content === undefined ? {} : { content }),
      ...(about === undefined ? {} : { about: withoutValues(about) }),
    })),
    before?.document,
  )
  const own = entries.flatMap((entry) => entry.layers.map((layer) => described(layer)))
  const descriptors = new Map([...(before?.descriptors ?? []), ...own])
  const config = documentOf(CACHE_CONFIG, document)
  return { config, root: rootOf(form, config.descriptor, layersOfDocument(document, descriptors)) }
}

function rootOf(form: CacheTarget['form'], config: Descriptor, layers: readonly Descriptor[]): ImageDocument {
  if (form === 'manifest') {
    const mediaType = MEDIA_TYPE.ociManifest
    return documentOf(mediaType, { schemaVersion: 2, mediaType, config, layers })
  }
  const mediaType = form === 'index' ? MEDIA_TYPE.ociIndex : MEDIA_TYPE.dockerManifestList
  return documentOf(mediaType, { schemaVersion: 2, mediaType, manifests: [...layers, config] })
}

async function put({ config, root }: Assembled, { repository, tag }: CacheTarget, job: Job): Promise<void> {
  for (const { descriptor, bytes } of [config, root])
    await repository.put(descriptor, () => Promise.resolve(Readable.from([bytes])), job)
  await repository.tag(root.descriptor, tag, job)
}

function described({ diffId, descriptor, created }: Layer): [Digest, Descriptor] {
  const annotations = { [UNCOMPRESSED]: diffId, ...(created === undefined ? {} : { [CREATED_AT]: created }) }
  return [descriptor.digest, { ...bare(descriptor), annotations }]
}

function bare({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size }
}

function documentOf(mediaType: string, document: object): ImageDocument {
  const bytes = Buffer.from(JSON.stringify(document))
  return { descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length }, bytes }
}
