import { Readable } from 'node:stream'
import type { Digest, Job } from '../core/index.ts'
import { verifiedStream } from '../io/index.ts'
import { layerTar, type LayerWriterOptions } from '../layer/index.ts'
import type { Layer } from '../oci/index.ts'
import type { Snapshotter } from '../snapshot/index.ts'

interface StateOptions {
  readonly snapshotter: Snapshotter
  readonly layers: LayerWriterOptions
  readonly tars?: TarMemory
}

/** Small layers that were just made, for who soon wants their bytes: it need not make them a second time. */
export interface TarMemory {
  add(digest: Digest, tar: Buffer): void
  get(digest: Digest): Buffer | undefined
}

/** The largest tar that is remembered, and all of them together: the latest. */
export const TAR_BYTES: number = 8 * 1024 * 1024
const MEMORY_BYTES = 32 * 1024 * 1024

export function createTarMemory(): TarMemory {
  const tars = new Map<Digest, Buffer>()
  let size = 0
  return {
    add(digest, tar) {
      if (tars.has(digest)) return
      tars.set(digest, tar)
      size += tar.length
      for (const [oldest, { length }] of tars) {
        if (size <= MEMORY_BYTES) return
        tars.delete(oldest)
        size -= length
      }
    },
    get: (digest) => tars.get(digest),
  }
}

/**
 * A layer that need not be in the store, above others: its bytes are made of the state that is kept, for who asks for
 * them. What no image and no other machine needs is never written.
 */
export function stateLayer(
  about: Omit<Layer, 'open'>,
  below: readonly Layer[],
  options: StateOptions,
): Layer {
  const { store } = options.layers
  const open = async (job: Job): Promise<Readable> => {
    const tar = options.tars?.get(about.descriptor.digest)
    if (tar !== undefined) return Readable.from([tar], { objectMode: false })
    if (await store.has(about.descriptor, job)) return await store.open(about.descriptor, job)
    return verifiedStream(
      tarOf([...below, layer], options, job),
      about.descriptor,
      'the snapshot of its step',
      { reusesChunks: true },
    )
  }
  const layer: Layer = { ...about, open }
  return layer
}

async function* tarOf(
  stack: readonly Layer[],
  { snapshotter, layers }: StateOptions,
  job: Job,
): AsyncGenerator<Uint8Array, void, undefined> {
  await using state = await snapshotter.reopen?.(stack, job)
  if (state !== undefined)
    yield* layerTar(state.changes(job), state.rootfs, { ...layers, reusesChunks: true }, job)
}
