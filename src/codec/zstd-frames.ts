import { OssbError } from '../core/index.ts'
import type { ByteReader } from './byte-reader.ts'

const FRAME_MAGIC = 0xfd2fb528
const SKIPPABLE_MAGIC = 0x184d2a50
const BLOCK_MAX = 128 * 1024
const BLOCKS_PER_PIECE = 8
const SKIP_STEP = 1024 * 1024
const RLE = 1
const RESERVED = 3

/** A part of one frame that decodes to 1 MiB at most. */
export interface ZstdPiece {
  readonly bytes: Uint8Array
  readonly startsFrame: boolean
  readonly endsFrame: boolean
  /** How much of its output the frame refers back to, in bytes: what a decoder must keep. */
  readonly windowSize: number
}

interface FrameHeader {
  readonly bytes: Uint8Array
  readonly windowSize: number
  readonly hasChecksum: boolean
}

/**
 * Walks frames by their structure (RFC 8878 section 3.1), without decoding: leaves out skippable frames, bounds what
 * each piece can decode to, and notices what decoders do not: an end within a frame and data after the last one.
 * @throws OssbError ERR_OSSB_CODEC
 */
export async function* zstdPieces(reader: ByteReader): AsyncGenerator<ZstdPiece, void, undefined> {
  while (!(await reader.isAtEnd())) {
    const magic = view(await need(reader, 4)).getUint32(0, true)
    if (magic === FRAME_MAGIC) yield* framePieces(reader)
    else if ((magic & 0xfffffff0) >>> 0 === SKIPPABLE_MAGIC) await skipFrame(reader)
    else throw zstdError('other data follows its end')
  }
}

export function zstdError(reason: string, cause?: unknown): OssbError {
  return new OssbError('ERR_OSSB_CODEC', `Cannot decompress the zstd data: ${reason}`, { cause })
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

async function need(reader: ByteReader, count: number): Promise<Uint8Array> {
  const bytes = await reader.read(count)
  if (bytes.length < count) throw zstdError('it ends within a frame')
  return bytes
}

async function skipFrame(reader: ByteReader): Promise<void> {
  let rest = view(await need(reader, 4)).getUint32(0, true)
  while (rest > 0) {
    const step = Math.min(rest, SKIP_STEP)
    await need(reader, step)
    rest -= step
  }
}

async function* framePieces(reader: ByteReader): AsyncGenerator<ZstdPiece, void, undefined> {
  const header = await readHeader(reader)
  const { windowSize } = header
  let parts: Uint8Array[] = [header.bytes]
  let blocks = 0
  let startsFrame = true
  for (;;) {
    const { bytes, isLast } = await readBlock(reader)
    parts.push(...bytes)
    blocks += 1
    if (isLast) break
    if (blocks < BLOCKS_PER_PIECE) continue
    yield { bytes: Buffer.concat(parts), startsFrame, endsFrame: false, windowSize }
    parts = []
    blocks = 0
    startsFrame = false
  }
  if (header.hasChecksum) parts.push(await need(reader, 4))
  yield { bytes: Buffer.concat(parts), startsFrame, endsFrame: true, windowSize }
}

async function readBlock(reader: ByteReader): Promise<{ bytes: readonly Uint8Array[]; isLast: boolean }> {
  const header = await need(reader, 3)
  const word = Buffer.from(header).readUIntLE(0, 3)
  const type = (word >>> 1) & 3
  const size = word >>> 3
  if (type === RESERVED || size > BLOCK_MAX) throw zstdError('it is corrupt')
  return { bytes: [header, await need(reader, type === RLE ? 1 : size)], isLast: (word & 1) === 1 }
}

async function readHeader(reader: ByteReader): Promise<FrameHeader> {
  const descriptor = (await need(reader, 1))[0] ?? 0
  const isSingleSegment = (descriptor & 0x20) !== 0
  if ((descriptor & 0x08) !== 0) throw zstdError('it is corrupt')
  const windowBytes = isSingleSegment ? 0 : 1
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] ?? 0
  const sizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >>> 6] ?? 0
  const rest = Buffer.from(await need(reader, windowBytes + dictionaryBytes + sizeBytes))
  const dictionary = rest.subarray(windowBytes, windowBytes + dictionaryBytes)
  if (dictionary.some((byte) => byte !== 0)) throw zstdError('it needs a dictionary')
  const magic = Buffer.alloc(5)
  magic.writeUInt32LE(FRAME_MAGIC)
  magic.writeUInt8(descriptor, 4)
  return {
    bytes: Buffer.concat([magic, rest]),
    windowSize: isSingleSegment
      ? contentSize(rest.subarray(windowBytes + dictionaryBytes))
      : windowSize(rest[0] ?? 0),
    hasChecksum: (descriptor & 0x04) !== 0,
  }
}

function contentSize(field: Buffer): number {
  if (field.length === 8) return Number(field.readBigUInt64LE())
  return field.length === 2 ? field.readUInt16LE() + 256 : field.readUIntLE(0, field.length)
}

function windowSize(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >>> 3))
  return base + (base / 8) * (descriptor & 7)
}
