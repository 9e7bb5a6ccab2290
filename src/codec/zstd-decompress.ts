import { once } from 'node:events'
import { ByteReader } from './byte-reader.ts'
import { findNativeZstd, type NativeZstd } from './native-zstd.ts'
import { UnsupportedDataError } from './unsupported-data.ts'
import { LIBRARY_WINDOW_MAX, type ZstdDecoder } from './zstd-codec-library.ts'
import { type ZstdPiece, zstdError, zstdPieces } from './zstd-frames.ts'

/** zstd's own limit for decoders (`zstd --long` without a number makes such windows): 128 MiB. */
const NATIVE_WINDOW_LOG = 27
const OUTPUT_SIZE = 1024 * 1024

/** Any number of frames; `openDecoder` gives a decoder where Node has none of its own. */
export async function* unzstd(
  chunks: AsyncIterable<Uint8Array>,
  openDecoder: () => Promise<ZstdDecoder>,
): AsyncGenerator<Uint8Array, void, undefined> {
  await using reader = new ByteReader(chunks)
  const native = findNativeZstd()
  if (native === undefined) yield* decodeWith(zstdPieces(reader), openDecoder)
  else yield* decodeNatively(zstdPieces(reader), native)
}

async function* decodeWith(
  pieces: AsyncIterable<ZstdPiece>,
  openDecoder: () => Promise<ZstdDecoder>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const decoder = await openDecoder()
  try {
    for await (const piece of pieces) {
      checkWindow(piece, LIBRARY_WINDOW_MAX)
      const bytes = await decoder.decode(piece.bytes)
      if (bytes.length > 0) yield bytes
    }
  } finally {
    await decoder.close()
  }
}

function checkWindow({ windowSize }: ZstdPiece, limit: number): void {
  if (windowSize <= limit) return
  throw new UnsupportedDataError(
    `Cannot decompress the zstd data: it refers back ${windowSize} bytes, and no more than ${limit} can be kept`,
    { hint: `Node 22.15 or later can keep ${2 ** NATIVE_WINDOW_LOG} bytes.` },
  )
}

async function* decodeNatively(
  pieces: AsyncIterable<ZstdPiece>,
  native: NativeZstd,
): AsyncGenerator<Uint8Array, void, undefined> {
  const iterator = pieces[Symbol.asyncIterator]()
  try {
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
      checkWindow(next.value, 2 ** NATIVE_WINDOW_LOG)
      yield* decodeFrame(next.value, iterator, native)
    }
  } finally {
    await iterator.return?.()
  }
}

// A stream for each frame: node:zlib's takes the end of the first frame for the end of its input.
async function* decodeFrame(
  first: ZstdPiece,
  following: AsyncIterator<ZstdPiece>,
  native: NativeZstd,
): AsyncGenerator<Uint8Array, void, undefined> {
  const stream = native.createZstdDecompress({
    chunkSize: OUTPUT_SIZE,
    params: { [native.constants.ZSTD_d_windowLogMax]: NATIVE_WINDOW_LOG },
  })
  let sourceError: unknown
  const feed = async () => {
    for (let piece = first; ; ) {
      if (!stream.write(piece.bytes)) await Promise.race([once(stream, 'drain'), once(stream, 'close')])
      if (piece.endsFrame) break
      const next = await following.next()
      if (next.done === true) break
      piece = next.value
    }
    stream.end()
  }
  const fed = feed().catch((error: unknown) => {
    sourceError = error
    stream.destroy(error instanceof Error ? error : new Error(String(error)))
  })
  try {
    for await (const bytes of stream as AsyncIterable<unknown>) yield bytes as Uint8Array
    await fed
  } catch (error) {
    throw sourceError ?? zstdError(error instanceof Error ? error.message : String(error), error)
  } finally {
    stream.destroy()
  }
}
