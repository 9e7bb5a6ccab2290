import { type Descriptor, type Digest, type Job, phase } from '../core/index.ts'
import { createSemaphore, createTee } from '../io/index.ts'
import {
  isCompressedAs,
  isCompressible,
  LAYER_TYPES,
  type LayerCompression,
  recompressLayer,
  type RecompressOptions,
} from '../layer/index.ts'
import type { ComingBlob, Layer } from '../oci/index.ts'
import type { StorePaths } from '../store/index.ts'
import { addCompressedForm, type CompressedForm, compressedForms } from './compressed-forms.ts'
import type { LostLayers } from './lost-layers.ts'

export interface LayerPackerOptions extends RecompressOptions {
  readonly paths: StorePaths
  /** Also what came compressed in another way: base layers, and those of caches. */
  readonly force: boolean
  readonly lost: LostLayers
  /** Is told of each layer that was begun with, when it is what it will be in images. */
  readonly packed?: (layer: Layer) => void
  /** Reads a large one while it is made; done when it reads no more. Absent where nobody does. */
  readonly stream?: ((layer: ComingBlob) => Promise<void>) | undefined
}

/** Makes layers what they are in images: each compressed once, and not again where that was done before. */
export interface LayerPacker extends AsyncDisposable {
  /** Begins with what will be asked for, beside other work. What goes wrong is told to who asks. */
  begin(layer: Layer): void
  /**
   * Packs the tar of a layer that is being made, as fast as it is, in chunks that are good until the next one; undefined
   * where its bytes alone are not what a packed layer is made of. To be named at its end.
   */
  readonly packTar?: (tar: AsyncIterable<Uint8Array>) => Promise<PackedTar>
  pack(layer: Layer): Promise<Layer>
}

/** A tar that was packed before anyone knew its digest. */
export interface PackedTar {
  /** Says which layer it is, so that it need not be packed again. */
  name(diffId: Digest): void
}

/** As many layers are compressed at once: one has gaps where its file is read or written. */
const CONCURRENCY = 2

/** A smaller layer is offered by its name, once it has one: it may be there already. */
const STREAM_BYTES = 8 * 1024 * 1024

export function createLayerPacker(options: LayerPackerOptions, job: Job): LayerPacker {
  const { paths, store, codec, compression, force, lost } = options
  const stop = new AbortController()
  const own: Job = {
    signal: AbortSignal.any([job.signal, stop.signal]),
    emit: (event) => job.emit(event),
  }
  const places = createSemaphore(CONCURRENCY)
  const level = 'level' in compression ? (compression.level ?? '') : ''
  const way = `${compression.type} ${level} ${codec.id}`
  const underWay = new Map<Digest, Promise<CompressedForm | undefined>>()

  /** Undefined where the layer is what it is to be. */
  const formOf = (
    layer: Layer,
    stream?: LayerPackerOptions['stream'],
  ): Promise<CompressedForm | undefined> => {
    const known = underWay.get(layer.diffId)
    if (known !== undefined) return known
    const made = makeForm(layer, stream)
    underWay.set(layer.diffId, made)
    made.catch(() => undefined)
    return made
  }

  const makeForm = async (
    layer: Layer,
    stream: LayerPackerOptions['stream'],
  ): Promise<CompressedForm | undefined> => {
    if (!isCompressible(layer) || (layer.created === undefined && !force)) return undefined
    const { diffId, descriptor } = layer
    const known = await knownForm(diffId)
    if (known !== undefined) return known
    // A level is not to be seen from outside: what was made here in another way is made anew.
    const isOurs = Object.values(compressedForms(paths, diffId)).some(
      (form) => form.descriptor.digest === descriptor.digest,
    )
    if (isCompressedAs(compression, layer) && (!isOurs || compression.type === 'uncompressed'))
      return undefined
    const made = await places.run(
      () =>
        streamed(
          (through) =>
            phase(`compress ${diffId}`, () => recompressLayer(layer, { ...options, through }, own), own),
          descriptor.size > STREAM_BYTES ? stream : undefined,
        ),
      own.signal,
    )
    const form = { diffId: made.diffId, descriptor: made.descriptor }
    addCompressedForm(paths, { layer: diffId, way, form })
    return form
  }

  const packTar = async (
    tar: AsyncIterable<Uint8Array>,
    packing: Extract<LayerCompression, { type: 'gzip' | 'zstd' }>,
  ): Promise<PackedTar> => {
    const { descriptor } = await streamed(async (through) => {
      const chunks = through(codec.compress(tar, packing))
      const ingested = () => store.ingest(LAYER_TYPES[packing.type], chunks, own)
      return { descriptor: await phase('compress the last layer', ingested, own) }
    }, options.stream)
    return {
      name(diffId) {
        const form = { diffId, descriptor }
        addCompressedForm(paths, { layer: diffId, way, form })
        underWay.set(diffId, Promise.resolve(form))
      },
    }
  }

  /** Has the bytes of a blob sent while they are made. */
  const streamed = <T extends { readonly descriptor: Descriptor }>(
    make: (through: NonNullable<RecompressOptions['through']>) => Promise<T>,
    stream: LayerPackerOptions['stream'],
  ): Promise<T> => {
    if (stream === undefined) return make((chunks) => chunks)
    const isRead = new AbortController()
    const tee = createTee(AbortSignal.any([own.signal, isRead.signal]))
    const made = make((chunks) => tee.through(chunks))
    const descriptor = made.then((one) => one.descriptor)
    descriptor.catch(() => undefined)
    // What nobody reads must hold nothing up.
    void stream({ bytes: tee.follow(made), descriptor }).finally(() => isRead.abort())
    return made
  }

  const knownForm = async (diffId: Digest): Promise<CompressedForm | undefined> => {
    const known = compressedForms(paths, diffId)[way]
    if (known === undefined || lost.has(known.descriptor.digest)) return undefined
    return (await store.has(known.descriptor, own)) ? known : undefined
  }

  const pack = async (layer: Layer, stream?: LayerPackerOptions['stream']): Promise<Layer> => {
    const form = await formOf(layer, stream)
    if (form === undefined) return layer
    return lost.watch({
      ...form,
      ...(form.diffId === layer.diffId ? {} : { made: layer }),
      ...(layer.created === undefined ? {} : { created: layer.created }),
      open: (opener) => store.open(form.descriptor, opener),
      reject: () => store.discard(form.descriptor),
    })
  }

  return {
    begin: (layer) => {
      pack(layer, options.stream).then(
        (packed) => options.packed?.(packed),
        () => undefined,
      )
    },
    ...(compression.type === 'gzip' || compression.type === 'zstd'
      ? { packTar: (tar) => packTar(tar, compression) }
      : {}),
    pack: (layer) => pack(layer),
    async [Symbol.asyncDispose]() {
      stop.abort(job.signal.reason)
      await Promise.allSettled(underWay.values())
    },
  }
}

/**
 * Writes layers that are nowhere but in the snapshots of this boot of the machine, as they are: at the end, where nothing
 * waits for it any more.
 */
export async function keepLayers(
  layers: readonly Layer[],
  { paths, store }: Pick<LayerPackerOptions, 'paths' | 'store'>,
  job: Job,
): Promise<void> {
  const isHere = async ({ diffId, descriptor }: Layer): Promise<boolean> => {
    const forms = Object.values(compressedForms(paths, diffId)).filter((form) => form.diffId === diffId)
    const known = [descriptor, ...forms.map((form) => form.descriptor)]
    return (await Promise.all(known.map((one) => store.has(one, job)))).includes(true)
  }
  try {
    for (const layer of layers)
      if (!(await isHere(layer)))
        await store.ingest(layer.descriptor.mediaType, await layer.open(job), job, { isKept: false })
  } catch (error) {
    if (job.signal.aborted) throw error
    const reason = error instanceof Error ? error.message : String(error)
    const message = `Layers were not kept: ${reason}. Their steps run again after a restart of the machine`
    job.emit({ type: 'warning', rule: 'LayersNotKept', message })
  }
}
