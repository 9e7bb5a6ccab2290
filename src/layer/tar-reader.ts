import { OssbError } from '../core/index.ts'
import { BLOCK_BYTES, checksumOf, paddingOf, type TarEntryType, type TarHeader } from './tar-header.ts'

/** An entry as it passes by. `content` may be read once, before the next entry is asked for; what is not read is skipped. */
export interface TarEntry {
  readonly header: TarHeader
  content(): AsyncIterable<Uint8Array>
}

/** The most that a pax header or a GNU long name may hold, in bytes. */
const MAX_METADATA_BYTES = 1024 * 1024

const TYPES: Readonly<Record<string, TarEntryType>> = {
  '0': 'file',
  '\u0000': 'file',
  '7': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'character',
  '4': 'block',
  '5': 'directory',
  '6': 'fifo',
}

/** What the headers in front of an entry say about it. */
interface Overrides {
  readonly records: ReadonlyMap<string, Buffer>
  readonly longName?: Buffer
  readonly longLink?: Buffer
}

/**
 * Reads a tar stream: v7, ustar, pax and GNU headers, sparse files of all GNU forms but the multi-volume ones.
 * Reads the stream to its very end, so that whoever hashes it below sees every byte.
 * @throws OssbError ERR_OSSB_LAYER_INVALID for anything that is not a well-formed archive
 */
export async function* readTar(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry, void, undefined> {
  const reader = createByteReader(chunks)
  let global: ReadonlyMap<string, Buffer> = new Map()
  let overrides: Overrides = { records: new Map() }
  for (let block = await nextHeader(reader); block !== undefined; block = await nextHeader(reader)) {
    const flag = String.fromCharCode(block[156] ?? 0)
    const size = sizeOf(block, flag, new Map([...global, ...overrides.records]))
    if (flag === 'g') global = mergeRecords(global, await readMetadata(reader, size))
    else if (flag === 'x')
      overrides = { ...overrides, records: mergeRecords(overrides.records, await readMetadata(reader, size)) }
    else if (flag === 'L') overrides = { ...overrides, longName: untilNul(await readMetadata(reader, size)) }
    else if (flag === 'K') overrides = { ...overrides, longLink: untilNul(await readMetadata(reader, size)) }
    else {
      const entry = await openEntry(
        reader,
        block,
        { ...overrides, records: new Map([...global, ...overrides.records]) },
        size,
      )
      if (entry !== undefined) yield entry.value
      await entry?.skip()
      overrides = { records: new Map() }
    }
  }
  await reader.drain()
}

/** Whether a block is the header of a tar entry: the checksum is right, and it is not the zero block of an end. */
export function isTarHeader(block: Buffer): boolean {
  if (block.length < BLOCK_BYTES || block.every((byte) => byte === 0)) return false
  try {
    const stated = readNumber(block, 148, 8)
    return stated === checksumOf(block) || stated === signedChecksumOf(block)
  } catch {
    return false
  }
}

/** The next header block, or undefined at the end of the archive: a zero block, or the end of the stream. */
async function nextHeader(reader: ByteReader): Promise<Buffer | undefined> {
  const block = await reader.take(BLOCK_BYTES)
  if (block.length === 0) return undefined
  if (block.length < BLOCK_BYTES) throw invalid('it ends in the middle of a header')
  if (block.every((byte) => byte === 0)) return undefined
  const stated = readNumber(block, 148, 8)
  if (stated !== checksumOf(block) && stated !== signedChecksumOf(block))
    throw invalid('a header has a wrong checksum')
  return block
}

/** Some old writers summed signed bytes. */
function signedChecksumOf(block: Uint8Array): number {
  let sum = checksumOf(block)
  for (let i = 0; i < BLOCK_BYTES; i += 1) if ((i < 148 || i >= 156) && (block[i] ?? 0) > 127) sum -= 256
  return sum
}

/** Bytes that follow a header. A pax record speaks of the entry, never of the headers in front of it. */
function sizeOf(block: Buffer, flag: string, records: ReadonlyMap<string, Buffer>): number {
  const record = 'gxLK'.includes(flag) ? undefined : records.get('size')
  const size = record === undefined ? readNumber(block, 124, 12) : decimal(record.toString())
  if (!Number.isSafeInteger(size) || size < 0) throw invalid('an entry has an impossible size')
  return size
}

/** The value of a text of decimal digits; NaN for any other. */
function decimal(text: string): number {
  return /^\d+$/.test(text) ? Number(text) : Number.NaN
}

interface OpenEntry {
  readonly value: TarEntry
  skip(): Promise<void>
}

async function openEntry(
  reader: ByteReader,
  block: Buffer,
  overrides: Overrides,
  size: number,
): Promise<OpenEntry | undefined> {
  const flag = String.fromCharCode(block[156] ?? 0)
  const sparse = await readSparseMap(reader, block, overrides, flag)
  const type = flag === 'S' ? 'file' : TYPES[flag]
  const header = readHeader(block, overrides, type ?? 'file', sparse?.realSize ?? size)
  // A file by an old writer whose name ends in "/" is a directory; links and devices have no content, whatever they say.
  const stored =
    header.type === 'file' ? size - (sparse?.mapBytes ?? 0) : flag === '5' || type !== undefined ? 0 : size
  let left = stored
  const padding = paddingOf(stored)
  async function* raw() {
    while (left > 0) {
      const chunk = await reader.some(left)
      if (chunk.length === 0) throw invalid(`it ends in the middle of "${header.path}"`)
      left -= chunk.length
      yield chunk
    }
  }
  const skip = async () => {
    await reader.skip(left + padding)
    left = 0
  }
  // A type that no one defined: POSIX says to treat it as a file; Go and GNU tar skip what they do not know.
  if (type === undefined) {
    await skip()
    return undefined
  }
  return {
    value: { header, content: () => (sparse === undefined ? raw() : expandSparse(raw(), sparse)) },
    skip,
  }
}

function readHeader(
  block: Buffer,
  { records, longName, longLink }: Overrides,
  type: TarEntryType,
  size: number,
): TarHeader {
  const prefix =
    block.toString('latin1', 257, 262) === 'ustar' && block[262] === 0
      ? untilNul(block.subarray(345, 500))
      : Buffer.alloc(0)
  const shortName = untilNul(block.subarray(0, 100))
  const plainName = prefix.length === 0 ? shortName : Buffer.concat([prefix, Buffer.from('/'), shortName])
  const path = utf8(records.get('GNU.sparse.name') ?? records.get('path') ?? longName ?? plainName)
  const isFile = type === 'file' && !path.endsWith('/')
  return {
    path,
    type: type === 'file' && !isFile ? 'directory' : type,
    mode: readNumber(block, 100, 8) & 0o7777,
    uid: readId(block, 108, records.get('uid')),
    gid: readId(block, 116, records.get('gid')),
    size: isFile ? size : 0,
    mtimeNs: representable(
      readTime(records.get('mtime')) ?? BigInt(readNumber(block, 136, 12)) * 1_000_000_000n,
    ),
    linkTarget: utf8(records.get('linkpath') ?? longLink ?? untilNul(block.subarray(157, 257))),
    devMajor: type === 'character' || type === 'block' ? readNumber(block, 329, 8) : 0,
    devMinor: type === 'character' || type === 'block' ? readNumber(block, 337, 8) : 0,
    xattrs: readXattrs(records),
  }
}

function readXattrs(records: ReadonlyMap<string, Buffer>): ReadonlyMap<string, Uint8Array> {
  const prefix = 'SCHILY.xattr.'
  return new Map(
    [...records]
      .filter(([key]) => key.startsWith(prefix))
      .map(([key, value]) => [key.slice(prefix.length), value]),
  )
}

function readId(block: Buffer, offset: number, record: Buffer | undefined): number {
  const id = record === undefined ? readNumber(block, offset, 8) : decimal(record.toString())
  if (!Number.isSafeInteger(id) || id < 0 || id > 0xffff_fffe)
    throw invalid('an entry has an impossible owner')
  return id
}

/** A pax time: decimal seconds, with a fraction of any length. */
function readTime(record: Buffer | undefined): bigint | undefined {
  if (record === undefined) return undefined
  const match = /^(-?)(\d{1,18})(?:\.(\d*))?$/.exec(record.toString())
  if (match === null) throw invalid('an entry has an impossible time')
  const ns = BigInt(match[2] ?? '0') * 1_000_000_000n + BigInt((match[3] ?? '').slice(0, 9).padEnd(9, '0'))
  return match[1] === '-' ? -ns : ns
}

const MAX_TIME_NS = 2n ** 63n - 1n

/** The nearest time that file systems have: some writers put year 1 where they know no time. */
function representable(ns: bigint): bigint {
  return ns > MAX_TIME_NS ? MAX_TIME_NS : ns < -MAX_TIME_NS ? -MAX_TIME_NS : ns
}

/** A number field: octal digits, or big-endian binary where the first bit is set (GNU). */
function readNumber(block: Buffer, offset: number, width: number): number {
  const first = block[offset] ?? 0
  if ((first & 0x80) !== 0) {
    let value = BigInt(first & 0x7f)
    for (const byte of block.subarray(offset + 1, offset + width)) value = (value << 8n) | BigInt(byte)
    return (first & 0x40) !== 0 ? Number(BigInt.asIntN(width * 8 - 1, value)) : Number(value)
  }
  const text = block
    .toString('latin1', offset, offset + width)
    .replace(/^[\u0000 ]+/, '')
    .replace(/\u0000.*$/s, '')
    .trimEnd()
  if (text === '') return 0
  if (!/^[0-7]+$/.test(text)) throw invalid('a header has a field that is not a number')
  return Number.parseInt(text, 8)
}

function mergeRecords(into: ReadonlyMap<string, Buffer>, body: Buffer): ReadonlyMap<string, Buffer> {
  const merged = new Map(into)
  for (let at = 0; at < body.length; ) {
    const blank = body.indexOf(0x20, at)
    const length = blank === -1 ? Number.NaN : decimal(body.toString('latin1', at, blank))
    const record = body.subarray(blank + 1, at + length - 1)
    const equals = record.indexOf(0x3d)
    if (!(length > blank - at + 1) || at + length > body.length || equals === -1)
      throw invalid('a pax header is malformed')
    const [key, value] = [record.toString('utf8', 0, equals), record.subarray(equals + 1)]
    // The map of pax 0.0 is spread over many records of the same names.
    if (key === 'GNU.sparse.offset' || key === 'GNU.sparse.numbytes') appendToMap(merged, value)
    // An empty value takes a global record back (POSIX); an extended attribute may well be empty.
    else if (value.length === 0 && !key.startsWith('SCHILY.xattr.')) merged.delete(key)
    else merged.set(key, value)
    at += length
  }
  return merged
}

function appendToMap(records: Map<string, Buffer>, value: Buffer): void {
  const known = records.get('GNU.sparse.map')
  records.set('GNU.sparse.map', known === undefined ? value : Buffer.concat([known, Buffer.from(','), value]))
}

async function readMetadata(reader: ByteReader, size: number): Promise<Buffer> {
  if (size > MAX_METADATA_BYTES)
    throw invalid(`a header of ${size} bytes is more than the ${MAX_METADATA_BYTES} that are read`)
  const body = await reader.take(size)
  if (body.length < size) throw invalid('it ends in the middle of a header')
  await reader.skip(paddingOf(size))
  return Buffer.from(body)
}

interface SparseMap {
  readonly realSize: number
  readonly segments: readonly { readonly offset: number; readonly length: number }[]
  /** Bytes of the entry's content that held the map itself (pax 1.0). */
  readonly mapBytes: number
}

/** The map of a sparse file: GNU's old header, or pax 0.0/0.1 (in records) and 1.0 (in the content). */
async function readSparseMap(
  reader: ByteReader,
  block: Buffer,
  { records }: Overrides,
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
    for (const line of lines) {
      if (numbers.length > 0 && numbers.length > 2 * (numbers[0] ?? 0)) break
      numbers.push(decimal(line))
    }
    if (numbers.length > 0 && numbers.length > 2 * (numbers[0] ?? 0)) return { numbers: numbers.slice(1), mapBytes }
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

async function* expandSparse(
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

function untilNul(bytes: Buffer): Buffer {
  const end = bytes.indexOf(0)
  return end === -1 ? bytes : bytes.subarray(0, end)
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function utf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes)
  } catch {
    throw invalid(`the name "${Buffer.from(bytes).toString('latin1')}" is not UTF-8`)
  }
}

function invalid(why: string): OssbError {
  return new OssbError('ERR_OSSB_LAYER_INVALID', `Cannot read the tar archive: ${why}`)
}

/** Pulls exact numbers of bytes out of a stream of chunks. */
interface ByteReader {
  /** `count` bytes in one piece, fewer only at the end of the stream. */
  take(count: number): Promise<Buffer>
  /** At least one and at most `most` bytes, without a copy; none at the end. */
  some(most: number): Promise<Uint8Array>
  skip(count: number): Promise<void>
  /** Reads what is left, and forgets it. */
  drain(): Promise<void>
}

function createByteReader(chunks: AsyncIterable<Uint8Array>): ByteReader {
  const iterator = chunks[Symbol.asyncIterator]()
  let current: Uint8Array = new Uint8Array(0)
  const refill = async (): Promise<boolean> => {
    while (current.length === 0) {
      const next = await iterator.next()
      if (next.done === true) return false
      current = next.value
    }
    return true
  }
  const some = async (most: number): Promise<Uint8Array> => {
    if (current.length === 0 && !(await refill())) return current
    const piece = current.subarray(0, most)
    current = current.subarray(piece.length)
    return piece
  }
  return {
    some,
    take: async (count) => {
      if (current.length >= count) {
        const piece = current.subarray(0, count)
        current = current.subarray(count)
        return Buffer.from(piece.buffer, piece.byteOffset, piece.length)
      }
      const pieces: Uint8Array[] = []
      for (let left = count; left > 0; ) {
        const piece = await some(left)
        if (piece.length === 0) break
        pieces.push(piece)
        left -= piece.length
      }
      return Buffer.concat(pieces)
    },
    skip: async (count) => {
      for (let left = count; left > 0; ) {
        const piece = await some(left)
        if (piece.length === 0) return
        left -= piece.length
      }
    },
    drain: async () => {
      current = new Uint8Array(0)
      while (await refill()) current = new Uint8Array(0)
    },
  }
}
