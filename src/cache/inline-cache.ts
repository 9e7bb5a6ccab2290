import type { Image, Layer } from '../oci/index.ts'
import type { CacheEntry } from './cache.ts'
import { type DocumentRecord, INLINE_CACHE } from './cache-document.ts'

/**
 * The image with a description of the cache that its own layers are. It names no time: equal builds stay equal.
 */
export function withInlineCache(image: Image, entries: readonly CacheEntry[]): Image {
  const records = entries.flatMap((entry) => recordOf(entry, image.layers) ?? [])
  const text = Buffer.from(JSON.stringify(records)).toString('base64')
  return { ...image, config: { ...image.config, [INLINE_CACHE]: text } }
}

/** Undefined where a result has layers that the image has not. */
function recordOf({ key, layers, content }: CacheEntry, own: readonly Layer[]): DocumentRecord | undefined {
  const digests = own.map(({ descriptor }) => descriptor.digest)
  const about = {
    digest: key,
    ...(content === undefined ? {} : { 'dev.ossb.content': content }),
    'dev.ossb.base': own.findIndex(({ created }) => created !== undefined),
  }
  if (layers.every(({ descriptor }, i) => descriptor.digest === digests[i]))
    return { ...about, layers: [{ layer: layers.length - 1 }] }
  const indexes = layers.map(({ descriptor }) => digests.indexOf(descriptor.digest))
  return indexes.includes(-1) ? undefined : { ...about, chains: [{ layers: indexes }] }
}
