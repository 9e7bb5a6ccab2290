import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import {
  type BuildEvent,
  type Descriptor,
  digestOf,
  type Job,
  MEDIA_TYPE,
  OssbError,
} from '../../src/core/index.ts'
import { readAll, verified } from '../../src/io/index.ts'
import type { Repository } from '../../src/oci/index.ts'

/** A job that keeps its events. */
export function recordingJob(
  signal: AbortSignal = new AbortController().signal,
): Job & { events: BuildEvent[] } {
  const events: BuildEvent[] = []
  return { signal, events, emit: (event) => events.push(event) }
}

export interface MemoryRepository extends Repository {
  readonly contents: Map<string, Buffer>
  readonly tags: Map<string, Descriptor>
  add(mediaType: string, bytes: Buffer): Descriptor
}

/** A Repository in memory, as the other end of copies. */
export function memoryRepository(): MemoryRepository {
  const contents = new Map<string, Buffer>()
  const tags = new Map<string, Descriptor>()
  const missing = (what: string) => new OssbError('ERR_OSSB_NOT_FOUND', `Cannot find ${what} in memory`)
  return {
    contents,
    tags,
    add(mediaType, bytes) {
      const digest = digestOf(bytes)
      contents.set(digest, bytes)
      return { mediaType, digest, size: bytes.length }
    },
    has: (content) => Promise.resolve(contents.has(content.digest)),
    open(content) {
      const bytes = contents.get(content.digest)
      return bytes === undefined
        ? Promise.reject(missing(content.digest))
        : Promise.resolve(Readable.from([bytes]))
    },
    async put(expected, open) {
      if (contents.has(expected.digest)) return
      const chunks = verified(await open(), expected, 'the source')
      contents.set(expected.digest, await readAll(chunks, expected.size, expected.digest))
    },
    resolve(reference) {
      const found = tags.get(reference)
      return found === undefined ? Promise.reject(missing(reference)) : Promise.resolve(found)
    },
    tag(manifest, tag) {
      tags.set(tag, manifest)
      return Promise.resolve()
    },
  }
}

/** Adds an image of random layers. The layers are no tars: registries do not look into them. */
export function addImage(
  repository: MemoryRepository,
  sizes: readonly number[] = [100_000, 50_000],
  platform: { readonly architecture: string; readonly variant?: string } = { architecture: 'amd64' },
): Descriptor {
  const layers = sizes.map((size) => repository.add(MEDIA_TYPE.ociLayerGzip, randomBytes(size)))
  const config = {
    os: 'linux',
    ...platform,
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.digest) },
  }
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociManifest,
    config: repository.add(MEDIA_TYPE.ociConfig, Buffer.from(JSON.stringify(config))),
    layers,
  }
  return repository.add(MEDIA_TYPE.ociManifest, Buffer.from(JSON.stringify(manifest)))
}

export function addIndex(
  repository: MemoryRepository,
  entries: readonly (Descriptor & { platform?: { os: string; architecture: string; variant?: string } })[],
): Descriptor {
  const index = { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests: entries }
  return repository.add(MEDIA_TYPE.ociIndex, Buffer.from(JSON.stringify(index)))
}
