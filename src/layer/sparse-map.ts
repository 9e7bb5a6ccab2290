import type { ByteReader, More } from './byte-reader.ts'
import { decimal, invalid, MAX_METADATA_BYTES, readNumber } from './tar-fields.ts'
import { BLOCK_BYTES } from './tar-header.ts'

export interface SparseMap {
  readonly realSize: number
  readonly segments: readonly { readonly offset: number; readonly length: number }[]
  /** Bytes of the entry's content that held the map itself (pax 1.0). */
  readonly mapBytes: number
}

/** The map of a sparse file: GNU's old header, or pax 0.0/0.1 (in records) and 1.0 (in the content). */
export function* readSparseMap(
  reader: ByteReader,
  block: Buffer,
  records: ReadonlyMap<string, Buffer>,
  flag: string,
): Generator<More, SparseMap | undefined, void> {
  if (flag === 'S') return yield* readOldSparseMap(reader, block)
  if (records.size === 0) return undefined
  const stated = records.get('GNU.sparse.realsize') ?? records.get('GNU.sparse.size')
  const map = records.get('GNU.sparse.map')
  const hasMapInContent = records.get('GNU.sparse.major')?.toString() === '1'
  if (!hasMapInContent && map === undefined) return undefined
  const realSize = decimal(stated?.toString() ?? '')
  if (!Number.isSafeInteger(realSize)) throw invalid('a sparse map is malformed')
  if (map !== undefined && !hasMapInContent)
    return { realSize, segments: segmentsOf(map.toString().split(',').map(decimal)), mapBytes: 0 }
  const { numbers, mapBytes } = yield* readSparseNumbers(reader)
  return { realSize, segments: segmentsOf(numbers), mapBytes }
}

function* readOldSparseMap(reader: ByteReader, block: Buffer): Generator<More, SparseMap, void> {
  const numbers: number[] = []
  const collect = (from: Buffer, offset: number, count: number) => {
    for (let i = 0; i < count; i += 1) {
      const length = readNumber(from, offset + i * 24 + 12, 12)
      if (length > 0) numbers.push(readNumber(from, offset + i * 24, 12), length)
    }
  }
  collect(block, 386, 4)
  for (let more = block[482] === 1; more; ) {
    const extension = yield* reader.take(BLOCK_BYTES)
    if (extension.length < BLOCK_BYTES) throw invalid('it ends in the middle of a sparse map')
    if (numbers.length * 12 > MAX_METADATA_BYTES) throw invalid('a sparse map is malformed')
    collect(extension, 0, 21)
    more = extension[504] === 1
  }
  return { realSize: readNumber(block, 483, 12), segments: segmentsOf(numbers), mapBytes: 0 }
}

/** Decimal lines, padded to whole blocks: how many segments there are, then offset and length of each. */
function* readSparseNumbers(
  reader: ByteReader,
): Generator<More, { numbers: number[]; mapBytes: number }, void> {
  const numbers: number[] = []
  let rest = ''
  for (let mapBytes = BLOCK_BYTES; mapBytes <= MAX_METADATA_BYTES; mapBytes += BLOCK_BYTES) {
    const block = yield* reader.take(BLOCK_BYTES)
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

/**
 * The whole content of a sparse file, of which the archive holds, in `stored` bytes that `read` reads, what is not zeros.
 * @returns how many of those bytes there were
 */
export function* expandSparse(
  read: (count: number) => Generator<Uint8Array | More, void, void>,
  stored: number,
  { realSize, segments }: SparseMap,
): Generator<Uint8Array | More, number, void> {
  let position = 0
  let used = 0
  for (const { offset, length } of segments) {
    if (offset < position || offset + length > realSize) throw invalid('a sparse map is malformed')
    yield* zeros(offset - position)
    used += length
    if (used > stored) throw invalid('it ends in the middle of a sparse file')
    yield* read(length)
    position = offset + length
  }
  yield* zeros(realSize - position)
  return used
}

const ZEROS = Buffer.alloc(64 * 1024)

function* zeros(count: number): Generator<Uint8Array> {
  for (let left = count; left > 0; left -= ZEROS.length) yield ZEROS.subarray(0, Math.min(left, ZEROS.length))
}
