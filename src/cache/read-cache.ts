import * as v from 'valibot'
import {
  type Descriptor,
  type Digest,
  isIndexType,
  isManifestType,
  type Job,
  OssbError,
} from '../core/index.ts'
import {
  type BlobSource,
  type ImageConfig,
  type ImageSource,
  parseImageConfig,
  parseIndex,
  parseManifest,
} from '../oci/index.ts'
import { readDocument } from '../registry/index.ts'
import {
  CACHE_CONFIG,
  type CacheDocument,
  CREATED_AT,
  INLINE_CACHE,
  parseCacheDocument,
  parseInlineRecords,
  UNCOMPRESSED,
} from './cache-document.ts'

/** A cache as it is kept somewhere. */
export interface StoredCache {
  readonly document: CacheDocument
  /** Of its layers, with the annotations that say their diff_ids. */
  readonly descriptors: ReadonlyMap<Digest, Descriptor>
}

/** What a name leads to is no cache, but may be of use to somebody. */
export class NotACache extends OssbError {}

/** Images of an index that are looked at. */
const MAX_IMAGES = 32

/**
 * Reads what a name leads to as a cache: BuildKit's manifest, or index, of layers with a description; or images that
 * carry a description in their configs.
 * @returns undefined where the name leads to nothing
 * @throws NotACache; OssbError for what can't be had, or is damaged
 */
export async function readCache(
  source: ImageSource,
  { name, title }: { readonly name: string; readonly title: string },
  job: Job,
): Promise<readonly StoredCache[] | undefined> {
  const root = await resolveName(source, name, job)
  if (root === undefined) return undefined
  const found = await readStored(source, root, job)
  if (found.length > 0) return found
  throw new NotACache('ERR_OSSB_CACHE', `Cannot read a cache from ${title}: something else is there`)
}

/** The descriptor of a name; undefined where there is none. */
export async function resolveName(
  source: ImageSource,
  name: string,
  job: Job,
): Promise<Descriptor | undefined> {
  try {
    return await source.resolve(name, job)
  } catch (error) {
    if (error instanceof OssbError && error.code === 'ERR_OSSB_NOT_FOUND') return undefined
    throw error
  }
}

async function readStored(
  source: BlobSource,
  root: Descriptor,
  job: Job,
  isNested = false,
): Promise<readonly StoredCache[]> {
  if (isManifestType(root.mediaType)) {
    const stored = await readManifestCache(source, root, job)
    return stored === undefined ? [] : [stored]
  }
  if (!isIndexType(root.mediaType) || isNested) return []
  const { manifests } = parseIndex(await readDocument(source, root, job), `index ${root.digest}`)
  const config = manifests.find(({ mediaType }) => mediaType === CACHE_CONFIG)
  if (config !== undefined) return [await describedBy(source, config, manifests, job)]
  const images = manifests.filter(({ mediaType }) => isManifestType(mediaType)).slice(0, MAX_IMAGES)
  const all = await Promise.all(images.map((image) => readStored(source, image, job, true)))
  return all.flat()
}

async function readManifestCache(
  source: BlobSource,
  root: Descriptor,
  job: Job,
): Promise<StoredCache | undefined> {
  const { config, layers } = parseManifest(await readDocument(source, root, job), `manifest ${root.digest}`)
  if (config.mediaType === CACHE_CONFIG) return await describedBy(source, config, layers, job)
  return readInline(await readDocument(source, config, job), layers)
}

async function describedBy(
  source: BlobSource,
  config: Descriptor,
  layers: readonly Descriptor[],
  job: Job,
): Promise<StoredCache> {
  return {
    document: parseCacheDocument(await readDocument(source, config, job)),
    descriptors: new Map(layers.map((layer) => [layer.digest, layer])),
  }
}

const inline = v.object({ [INLINE_CACHE]: v.optional(v.string()) })

/** What the config of an image says of its own layers. */
function readInline(bytes: Buffer, layers: readonly Descriptor[]): StoredCache | undefined {
  const member = v.safeParse(inline, jsonOf(bytes))
  const text = member.success ? member.output[INLINE_CACHE] : undefined
  if (text === undefined) return undefined
  const config = parseImageConfig(bytes, 'the config of an image with a cache')
  if (config.rootfs.diff_ids.length !== layers.length) return undefined
  const document = parseInlineRecords(Buffer.from(text, 'base64'), layers)
  const times = timesOf(config, layers.length)
  const base = Math.min(...document.records.map((record) => record['dev.ossb.base'] ?? 0), layers.length)
  const described = layers.map((layer, i): [Digest, Descriptor] => {
    const created = i < base ? undefined : times[i]
    const annotations = {
      [UNCOMPRESSED]: config.rootfs.diff_ids[i] ?? '',
      ...(created === undefined ? {} : { [CREATED_AT]: created }),
    }
    return [layer.digest, { ...layer, annotations }]
  })
  return { document, descriptors: new Map(described) }
}

function jsonOf(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    return undefined
  }
}

/** When each layer was made, as the history says; for one that does not fit the layers, the time of the image. */
function timesOf({ history = [], created }: ImageConfig, count: number): readonly (string | undefined)[] {
  const entries = history.filter((entry) => entry.empty_layer !== true)
  return Array.from({ length: count }, (_none, i) =>
    entries.length === count ? (entries[i]?.created ?? created) : created,
  )
}
