import { DICTIONARY_SIZE, GZIP_BLOCK_SIZE } from './block.ts'
import { compressBlocks, type RunTask } from './compress-blocks.ts'
import { combineCrc32 } from './crc32-combine.ts'

/** RFC 1952: deflate, no flags, no time, no hint about the compressor, system unknown: nothing that could vary. */
const HEADER = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255)

export interface GzipOptions {
  /** Of the encoder: 1 to 6. */
  readonly level: number
  readonly inFlight: number
  readonly run: RunTask
}

/**
 * One gzip member. Its blocks are compressed independently, each with the 32 KiB before it as dictionary, and
 * joined on byte borders.
 */
export async function* gzip(
  chunks: AsyncIterable<Uint8Array>,
  { level, inFlight, run }: GzipOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  let crc = 0
  let size = 0
  yield HEADER.slice()
  const blocks = compressBlocks(chunks, {
    blockSize: GZIP_BLOCK_SIZE,
    dictionarySize: DICTIONARY_SIZE,
    inFlight,
    run,
    task: (input, dictionaryLength, final) => ({ type: 'deflate', input, dictionaryLength, level, final }),
  })
  for await (const block of blocks) {
    crc = combineCrc32(crc, block.crc, block.inputLength)
    size += block.inputLength
    yield block.bytes
  }
  yield trailer(crc, size)
}

function trailer(crc: number, size: number): Uint8Array {
  const bytes = Buffer.alloc(8)
  bytes.writeUInt32LE(crc, 0)
  bytes.writeUInt32LE(size % 2 ** 32, 4)
  return bytes
}
