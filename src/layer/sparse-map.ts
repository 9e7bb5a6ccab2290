import { type ByteReader, createByteReader } from './byte-reader.ts'
import { decimal, invalid, MAX_METADATA_BYTES, readNumber } from './tar-fields.ts'
import { BLOCK_BYTES } from './tar-header.ts'

export interface SparseMap {
  readonly realSize: number
  readonly segments: readonly { readonly offset: number; readonly length: number }[]
  /** Bytes of the entry's content that held the map itself (pax 1.0). */
  readonly mapBytes: number
}

/** The map of a sparse file: GNU's old header, or pax 0.0/0.1 (in records) and 1.0 (in the content). */
export async function readSparseMap(
  reader: ByteReader,
  block: Buffer,
  records: ReadonlyMap<string, Buffer>,
  flag: string,
): Promise<SparseMap | undefined> {
  if (flag === 'S') return readOldSparseMap(reader, block)
  const stated = records.get('GNU.sparse.realsize') ?? records.get('GNU.sparse.size')
  const map = records.get('GNU.sparse.map')
  const hasMapInContent = records.get('GNU.sparse.major')?.toString() === '1'
  if (!hasMapInContent && map === undefined) return undefined
  const realSize = decimal(stated?.toString() ?? '')
  if (!Number.isSafeInteger(realSize)) throw invalid('a sparse map is malformed')
  if (map !== undefined && !hasMapInContent)
    return { realSize, segments: segmentsOf(map.toString().split(',').map(decimal)), mapBytes: 0 }
  const { numbers, mapBytes } = await readSparseNumbers(reader)
  return { realSize, segments: segmentsOf(numbers), mapBytes }
}

async function readOldSparseMap(reader: ByteReader, block: Buffer): Promise<SparseMap> {
  const numbers: number[] = []
  const collect = (from: Buffer, offset: number, count: number) => {
    for (let i = 0; i < count; i += 1) {
      const length = readNumber(from, offset + i * 24 + 12, 12)
      if (length > 0) numbers.push(readNumber(from, offset + i * 24, 12), length)
    }
  }
  collect(block, 386, 4)
  for (let more = block[482] === 1; more; ) {
    const extension = await reader.take(BLOCK_BYTES)
    if (extension.length < BLOCK_BYTES) throw invalid('it ends in the middle of a sparse map')
    if (numbers.length * 12 > MAX_METADATA_BYTES) throw invalid('a sparse map is malformed')
    collect(extension, 0, 21)
    more = extension[504] === 1
  }
  return { realSize: readNumber(block, 483, 12), segments: segmentsOf(numbers), mapBytes: 0 }
}

/** Decimal lines, padded to whole blocks: how many segments there are, then offset and length of each. */
async function readSparseNumbers(reader: ByteReader): Promise<{ numbers: number[]; mapBytes: number }> {
  const numbers: number[] = []
  let rest = ''
  for (let mapBytes = BLOCK_BYTES; mapBytes <= MAX_METADATA_BYTES; mapBytes += BLOCK_BYTES) {
    const block = await reader.take(BLOCK_BYTES)
    if (block.length < BLOCK_BYTES) break
    const lines = (rest + block.toString('latin1')).split('\n')
    rest = lines.pop() ?? ''
    numbers.push(...lines.map(decimal))
    const wanted = 2 * (numbers[0] ?? Number.POSITIVE_INFINITY) + 1
    if (numbers.length >= wanted) return { numbers: numbers.slice(1, wanted), mapBytes }
  }
  throw invalid('a sparse map is malformed')
}

function segmentsOf(numbers: readonly number[]): SparseMap['segments'] {
  if (numbers.length % 2 !== 0 || numbers.some((value) => !Number.isSafeInteger(value) || value < 0))
    throw invalid('a sparse map is malformed')
  return Array.from({ length: numbers.length / 2 }, (_, i) => ({
    offset: numbers[2 * i] ?? 0,
    length: numbers[2 * i + 1] ?? 0,
  }))
}

/** The whole content of a sparse file, of which `stored` holds what is not zeros. */
export async function* expandSparse(
  stored: AsyncIterable<Uint8Array>,
  { realSize, segments }: SparseMap,
): AsyncGenerator<Uint8Array> {
  const reader = createByteReader(stored)
  let position = 0
  for (const { offset, length } of segments) {
    if (offset < position || offset + length > realSize) throw invalid('a sparse map is malformed')
    yield* zeros(offset - position)
    for (let left = length; left > 0; ) {
      const chunk = await reader.some(left)
      if (chunk.length === 0) throw invalid('it ends in the middle of a sparse file')
      left -= chunk.length
      yield chunk
    }
    position = offset + length
  }
  yield* zeros(realSize - position)
}

const ZEROS = Buffer.alloc(64 * 1024)

function* zeros(count: number): Generator<Uint8Array> {
  for (let left = count; left > 0; left -= ZEROS.length) yield ZEROS.subarray(0, Math.min(left, ZEROS.length))
}
