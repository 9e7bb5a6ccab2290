import type { Compression } from '../codec/index.ts'
import { type Change, type Descriptor, type Job, MEDIA_TYPE } from '../core/index.ts'
import { createDigestTap } from '../io/index.ts'
import type { ContentStore, Layer } from '../oci/index.ts'
import { layerTar, type TarOptions } from './write-layer.ts'

export interface LayerWriterOptions extends TarOptions {
  readonly store: ContentStore
}

/** How a layer's bytes are stored; eStargz is gzip whose files can be read one by one. */
export type LayerCompression = Compression | { readonly type: 'estargz'; readonly level?: number }

/** The media type of a layer, by its compression. */
export const LAYER_TYPES: Readonly<Record<LayerCompression['type'], string>> = {
  gzip: MEDIA_TYPE.ociLayerGzip,
  estargz: MEDIA_TYPE.ociLayerGzip,
  zstd: MEDIA_TYPE.ociLayerZstd,
  uncompressed: MEDIA_TYPE.ociLayer,
}

export interface DescribedLayer {
  /** Of the plain tar: its digest is the diff_id. */
  readonly descriptor: Descriptor
  /** The tar itself, where it has no more bytes than were asked for. */
  readonly tar?: Buffer
}

/** Reads a tar to its end, in chunks that are good until the next one is asked for. */
export type TarReader = (tar: AsyncIterable<Uint8Array>) => Promise<void>

export interface DescribeOptions extends TarOptions {
  /** A tar of at most so many bytes is given back. */
  readonly keepBytes: number
  /** Reads a larger one as it is made. */
  readonly reader?: TarReader | undefined
}

/** The layer that changes would make. Writes nothing. */
export async function describeLayer(
  changes: AsyncIterable<Change>,
  rootfs: string,
  { keepBytes, reader = readToEnd, ...options }: DescribeOptions,
  job: Job,
): Promise<DescribedLayer> {
  const tap = createDigestTap()
  const tar = layerTar(changes, rootfs, { ...options, reusesChunks: true }, job)
  let kept: Uint8Array[] = []
  /** The tar; nothing of one that is to be kept. */
  async function* large(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of tap.through(tar)) {
      job.signal.throwIfAborted()
      if (tap.size <= keepBytes) {
        kept.push(Buffer.from(chunk))
        continue
      }
      yield* kept
      kept = []
      yield chunk
    }
  }
  const chunks = large()
  try {
    const first = await chunks.next()
    if (first.done !== true) await reader(joined(first.value, chunks))
  } finally {
    await chunks.return()
  }
  const descriptor = { mediaType: MEDIA_TYPE.ociLayer, digest: tap.digest(), size: tap.size }
  return tap.size <= keepBytes ? { descriptor, tar: Buffer.concat(kept) } : { descriptor }
}

async function* joined(
  first: Uint8Array,
  rest: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  yield first
  yield* rest
}

const readToEnd: TarReader = async (tar) => {
  for await (const _chunk of tar);
}

/** Freezes changes into a layer in the store, as a plain tar. */
export async function createLayer(
  changes: AsyncIterable<Change>,
  rootfs: string,
  created: string,
  options: LayerWriterOptions,
  job: Job,
): Promise<Layer> {
  const tar = layerTar(changes, rootfs, options, job)
  const descriptor = await options.store.ingest(MEDIA_TYPE.ociLayer, tar, job, { isKept: false })
  return {
    diffId: descriptor.digest,
    descriptor,
    created,
    open: (opener) => options.store.open(descriptor, opener),
  }
}
