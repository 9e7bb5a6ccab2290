import type { Readable } from 'node:stream'
import type { Job } from '../core/index.ts'
import { verifiedStream } from '../io/index.ts'
import { layerTar, type LayerWriterOptions } from '../layer/index.ts'
import type { Layer } from '../oci/index.ts'
import type { Snapshotter } from '../snapshot/index.ts'

interface StateOptions {
  readonly snapshotter: Snapshotter
  readonly layers: LayerWriterOptions
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
  const open = async (job: Job): Promise<Readable> =>
    (await store.has(about.descriptor, job))
      ? await store.open(about.descriptor, job)
      : verifiedStream(tarOf([...below, layer], options, job), about.descriptor, 'the snapshot of its step')
  const layer: Layer = { ...about, open }
  return layer
}

async function* tarOf(
  stack: readonly Layer[],
  { snapshotter, layers }: StateOptions,
  job: Job,
): AsyncGenerator<Uint8Array, void, undefined> {
  await using state = await snapshotter.reopen?.(stack, job)
  if (state !== undefined) yield* layerTar(state.changes(job), state.rootfs, layers, job)
}
