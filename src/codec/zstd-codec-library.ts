import { OssbError } from '../core/index.ts'

/** Frames that the library's fixed heap can decode: larger windows end the instance with an abort. */
export const LIBRARY_WINDOW_MAX: number = 8 * 1024 * 1024
/** The strongest level that compresses a block of ZSTD_BLOCK_SIZE within the heap. */
export const LIBRARY_LEVEL_MAX = 9

type Simple = { compress(content: Uint8Array, level: number): Uint8Array | null }

let simple: Promise<Simple> | undefined

// An instance takes 16 MiB and 30 ms: it is made at the first use and kept.
async function loadSimple(): Promise<Simple> {
  const { ZstdCodec } = await import('zstd-codec')
  return new Promise((resolve) => {
    ZstdCodec.run((zstd) => resolve(new zstd.Simple()))
  })
}

/** One frame with its content size in the header. After an error the thread's instance may be beyond use. */
export async function compressZstdFrame(
  content: Uint8Array,
  level: number,
): Promise<Uint8Array<ArrayBuffer>> {
  simple ??= loadSimple()
  const frame = (await simple).compress(content, level)
  if (frame === null) throw new Error(`zstd-codec cannot compress ${content.length} bytes at level ${level}`)
  return new Uint8Array(frame)
}

export interface ZstdDecoder {
  /** What the decoder can give out after `piece` of one or more frames. */
  decode(piece: Uint8Array): Promise<Uint8Array<ArrayBuffer>>
  close(): Promise<void>
}

type Binding = Parameters<Parameters<typeof import('zstd-codec/lib/module.js').run>[0]>[0]

let binding: Promise<Binding> | undefined

async function loadBinding(): Promise<Binding> {
  const { run } = await import('zstd-codec/lib/module.js')
  return new Promise((resolve) => {
    // A promise would be resolved with what the `then` of the Emscripten module gives, which is the module again.
    run((module) => resolve({ ZstdDecompressStreamBinding: module.ZstdDecompressStreamBinding }))
  })
}

/** A decoder in this thread. Its memory in the library's heap is only given back by `close`. */
export async function openZstdDecoder(): Promise<ZstdDecoder> {
  binding ??= loadBinding()
  const { ZstdDecompressStreamBinding } = await binding
  const stream = new ZstdDecompressStreamBinding()
  stream.begin()
  return {
    decode: async (piece) => {
      const parts: Uint8Array[] = []
      if (!stream.transform(piece, (bytes) => parts.push(bytes))) {
        throw new OssbError('ERR_OSSB_CODEC', 'Cannot decompress the zstd data: it is corrupt')
      }
      return joined(parts)
    },
    close: async () => stream.delete(),
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
