import { type BlockTask, ZSTD_BLOCK_SIZE } from './block.ts'
import { compressBlocks, type RunTask } from './compress-blocks.ts'
import { findNativeZstd, type NativeZstd } from './native-zstd.ts'
import { LIBRARY_LEVEL_MAX } from './zstd-codec-library.ts'

export interface ZstdOptions {
  readonly level: number
  readonly inFlight: number
  /** Runs a zstd task where Node has no zstd of its own. */
  readonly run: RunTask
}

/** Frames of 2 MiB each, one behind the other, compressed side by side. */
export async function* zstd(
  chunks: AsyncIterable<Uint8Array>,
  { level, inFlight, run }: ZstdOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const native = findNativeZstd()
  const blocks = compressBlocks(chunks, {
    blockSize: ZSTD_BLOCK_SIZE,
    dictionarySize: 0,
    inFlight,
    run: native === undefined ? run : (task) => compressNatively(native, task),
    task: (input) => ({
      type: 'zstd',
      input,
      level: native === undefined ? Math.min(level, LIBRARY_LEVEL_MAX) : level,
    }),
  })
  let isFirst = true
  for await (const block of blocks) {
    // A stream that ends on a block's border has an empty rest; only an empty stream needs a frame for it.
    if (block.inputLength > 0 || isFirst) yield block.bytes
    isFirst = false
  }
}

function compressNatively(native: NativeZstd, { input, level }: BlockTask): ReturnType<RunTask> {
  const options = { params: { [native.constants.ZSTD_c_compressionLevel]: level } }
  return new Promise((resolve, reject) => {
    native.zstdCompress(input, options, (error, bytes) => {
      if (error === null) resolve({ bytes, crc: 0 })
      else reject(error)
    })
  })
}
