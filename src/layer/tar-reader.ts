import { type ByteReader, createByteReader } from './byte-reader.ts'
import { expandSparse, readSparseMap } from './sparse-map.ts'
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

/** An entry as it passes by. `content` may be read once, before the next entry is asked for; what is not read is skipped. */
export interface TarEntry {
  readonly header: TarHeader
  readonly content: () => AsyncIterable<Uint8Array>
}

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
export function readTar(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry, void, undefined> {
  return readEntries(createByteReader(chunks))
}

/** The same from a reader that may pass over content without reading it. */
export async function* readEntries(reader: ByteReader): AsyncGenerator<TarEntry, void, undefined> {
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
  const sparse = await readSparseMap(reader, block, overrides.records, flag)
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

async function readMetadata(reader: ByteReader, size: number): Promise<Buffer> {
  if (size > MAX_METADATA_BYTES)
    throw invalid(`a header of ${size} bytes is more than the ${MAX_METADATA_BYTES} that are read`)
  const body = await reader.take(size)
  if (body.length < size) throw invalid('it ends in the middle of a header')
  await reader.skip(paddingOf(size))
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
