import { type ByteReader, createByteReader, MORE, type More } from './byte-reader.ts'
import { expandSparse, readSparseMap, type SparseMap } from './sparse-map.ts'
import {
  decimal,
  invalid,
  MAX_METADATA_BYTES,
  mergeRecords,
  readNumber,
  readTime,
  representable,
} from './tar-fields.ts'
import { BLOCK_BYTES, checksumOf, paddingOf, type TarEntryType, type TarHeader } from './tar-header.ts'

/** The header of an entry, and after that of a file its content, piece by piece: no piece is empty. */
export type TarPart = TarHeader | Uint8Array

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

const NO_RECORDS: ReadonlyMap<string, Buffer> = new Map()

/** What the headers in front of an entry say about it. */
interface Overrides {
  readonly records: ReadonlyMap<string, Buffer>
  readonly longName?: Buffer
  readonly longLink?: Buffer
}

const NO_OVERRIDES: Overrides = { records: NO_RECORDS }

function mergeMaps<T>(below: ReadonlyMap<string, T>, above: ReadonlyMap<string, T>): ReadonlyMap<string, T> {
  if (below.size === 0) return above
  return above.size === 0 ? below : new Map([...below, ...above])
}

/**
 * Reads a tar stream: v7, ustar, pax and GNU headers, sparse files of all GNU forms but the multi-volume ones. `visit`
 * gets the parts in their order, and may answer what must be done before the next one.
 * Reads the stream to its very end, so that whoever hashes it below sees every byte.
 * @throws OssbError ERR_OSSB_LAYER_INVALID for anything that is not a well-formed archive
 */
export async function readTar(
  chunks: AsyncIterable<Uint8Array>,
  visit: (part: TarPart) => Promise<void> | undefined,
): Promise<void> {
  const reader = createByteReader()
  const parts = scanTar(reader, 'given')
  for await (const chunk of chunks) {
    reader.add(chunk)
    for (let next = parts.next(); next.done !== true && next.value !== MORE; next = parts.next()) {
      const wait = visit(next.value)
      if (wait !== undefined) await wait
    }
  }
  reader.end()
  for (const part of parts) if (part !== MORE) await visit(part)
}

/**
 * The parts of an archive that a reader has. It ends behind the archive, whatever follows there.
 * @param content `skipped` passes over the content of files without asking for it
 */
export function* scanTar(
  reader: ByteReader,
  content: 'given' | 'skipped',
): Generator<TarPart | More, void, void> {
  let global = NO_RECORDS
  let overrides = NO_OVERRIDES
  for (let block = yield* nextHeader(reader); block !== undefined; block = yield* nextHeader(reader)) {
    const flag = String.fromCharCode(block[156] ?? 0)
    const records = mergeMaps(global, overrides.records)
    const size = sizeOf(block, flag, records)
    if (flag === 'g') global = mergeRecords(global, yield* readMetadata(reader, size))
    else if (flag === 'x')
      overrides = {
        ...overrides,
        records: mergeRecords(overrides.records, yield* readMetadata(reader, size)),
      }
    else if (flag === 'L') overrides = { ...overrides, longName: untilNul(yield* readMetadata(reader, size)) }
    else if (flag === 'K') overrides = { ...overrides, longLink: untilNul(yield* readMetadata(reader, size)) }
    else {
      yield* scanEntry(reader, { block, overrides: { ...overrides, records }, size, content })
      overrides = NO_OVERRIDES
    }
  }
}

/** Whether a block is the header of a tar entry: the checksum is right, and it is not the zero block of an end. */
export function isTarHeader(block: Buffer): boolean {
  if (block.length < BLOCK_BYTES || isZero(block)) return false
  try {
    const stated = readNumber(block, 148, 8)
    return stated === checksumOf(block) || stated === signedChecksumOf(block)
  } catch {
    return false
  }
}

function isZero(block: Uint8Array): boolean {
  return block[0] === 0 && block.every((byte) => byte === 0)
}

/** The next header block, or undefined at the end of the archive: a zero block, or the end of the stream. */
function* nextHeader(reader: ByteReader): Generator<More, Buffer | undefined, void> {
  const block = reader.takeNow(BLOCK_BYTES) ?? (yield* reader.take(BLOCK_BYTES))
  if (block.length === 0) return undefined
  if (block.length < BLOCK_BYTES) throw invalid('it ends in the middle of a header')
  if (isZero(block)) return undefined
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

interface RawEntry {
  readonly block: Buffer
  readonly overrides: Overrides
  /** Bytes that follow the header. */
  readonly size: number
  readonly content: 'given' | 'skipped'
}

function* scanEntry(
  reader: ByteReader,
  { block, overrides, size, content }: RawEntry,
): Generator<TarPart | More, void, void> {
  const flag = String.fromCharCode(block[156] ?? 0)
  const sparse = yield* readSparseMap(reader, block, overrides.records, flag)
  const type = flag === 'S' ? 'file' : TYPES[flag]
  const header = readHeader(block, overrides, type ?? 'file', sparse?.realSize ?? size)
  // A file by an old writer whose name ends in "/" is a directory; links and devices have no content, whatever they say.
  const stored =
    header.type === 'file' ? size - (sparse?.mapBytes ?? 0) : flag === '5' || type !== undefined ? 0 : size
  // A type that no one defined: POSIX says to treat it as a file; Go and GNU tar skip what they do not know.
  if (type !== undefined) yield header
  const padding = paddingOf(stored)
  if (content === 'skipped' || type === undefined) {
    yield* reader.skip(stored + padding)
    return
  }
  if (sparse === undefined) yield* readStored(reader, stored, header.path)
  else yield* readSparse(reader, { stored, sparse, path: header.path })
  const rest = padding - reader.someNow(padding).length
  if (rest > 0) yield* reader.skip(rest)
}

function* readStored(
  reader: ByteReader,
  count: number,
  path: string,
): Generator<Uint8Array | More, void, void> {
  for (let left = count; left > 0; ) {
    const here = reader.someNow(left)
    const chunk = here.length > 0 ? here : yield* reader.some(left)
    if (chunk.length === 0) throw invalid(`it ends in the middle of "${path}"`)
    left -= chunk.length
    yield chunk
  }
}

interface SparseContent {
  readonly stored: number
  readonly sparse: SparseMap
  readonly path: string
}

function* readSparse(
  reader: ByteReader,
  { stored, sparse, path }: SparseContent,
): Generator<Uint8Array | More, void, void> {
  const used = yield* expandSparse((count) => readStored(reader, count, path), stored, sparse)
  yield* reader.skip(stored - used)
}

function readHeader(
  block: Buffer,
  { records, longName, longLink }: Overrides,
  type: TarEntryType,
  size: number,
): TarHeader {
  const longer = records.get('GNU.sparse.name') ?? records.get('path') ?? longName
  const path = longer === undefined ? plainName(block) : utf8(longer)
  const longerLink = records.get('linkpath') ?? longLink
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
    linkTarget: longerLink === undefined ? textAt(block, 157, 257) : utf8(longerLink),
    devMajor: type === 'character' || type === 'block' ? readNumber(block, 329, 8) : 0,
    devMinor: type === 'character' || type === 'block' ? readNumber(block, 337, 8) : 0,
    xattrs: readXattrs(records),
  }
}

/** "ustar" and a NUL: GNU's own headers have something else in the place of the prefix. */
function plainName(block: Buffer): string {
  const prefix = block.readUIntBE(257, 6) === 0x75_73_74_61_72_00 ? textAt(block, 345, 500) : ''
  const name = textAt(block, 0, 100)
  return prefix === '' ? name : `${prefix}/${name}`
}

const NO_XATTRS: ReadonlyMap<string, Uint8Array> = new Map()

function readXattrs(records: ReadonlyMap<string, Buffer>): ReadonlyMap<string, Uint8Array> {
  if (records.size === 0) return NO_XATTRS
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

function* readMetadata(reader: ByteReader, size: number): Generator<More, Buffer, void> {
  if (size > MAX_METADATA_BYTES)
    throw invalid(`a header of ${size} bytes is more than the ${MAX_METADATA_BYTES} that are read`)
  const body = yield* reader.take(size)
  if (body.length < size) throw invalid('it ends in the middle of a header')
  yield* reader.skip(paddingOf(size))
  return Buffer.from(body)
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

/** A text that ends with a NUL or its field. Nearly all are ASCII, and a decoder costs more than all else of a header. */
function textAt(block: Buffer, start: number, limit: number): string {
  let end = start
  let seen = 0
  for (; end < limit && block[end] !== 0; end += 1) seen |= block[end] ?? 0
  return seen < 0x80 ? block.toString('latin1', start, end) : utf8(block.subarray(start, end))
}
