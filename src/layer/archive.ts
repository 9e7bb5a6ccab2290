import { createReadStream } from 'node:fs'
import { type Codec, UnsupportedDataError } from '../codec/index.ts'
import { OssbError } from '../core/index.ts'
import { BLOCK_BYTES } from './tar-header.ts'
import { isTarHeader } from './tar-reader.ts'

/**
 * Whether a file is a tar archive that ADD unpacks, compressed or not: by its content alone, whatever it is called. An
 * archive without any entry is none.
 * @throws OssbError ERR_OSSB_CODEC for sound data in a form that cannot be decompressed
 */
export async function isTarArchive(path: string, codec: Codec): Promise<boolean> {
  try {
    return isTarHeader(await firstBytes(openArchive(path, codec), BLOCK_BYTES))
  } catch (error) {
    // Something that only begins like a compressed file is a file like any other.
    const isOther = error instanceof OssbError && error.code === 'ERR_OSSB_CODEC'
    if (isOther && !(error instanceof UnsupportedDataError)) return false
    throw error
  }
}

/** The tar stream of an archive, decompressed. */
export function openArchive(path: string, codec: Codec): AsyncIterable<Uint8Array> {
  return codec.decompress(createReadStream(path, { highWaterMark: 1024 * 1024 }))
}

async function firstBytes(chunks: AsyncIterable<Uint8Array>, count: number): Promise<Buffer> {
  let bytes = Buffer.alloc(0)
  for await (const chunk of chunks) {
    bytes = Buffer.concat([bytes, chunk])
    if (bytes.length >= count) break
  }
  return bytes.subarray(0, count)
}
