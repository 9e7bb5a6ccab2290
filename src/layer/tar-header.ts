import { posix } from 'node:path'
import type { FileType } from '../core/index.ts'

export const BLOCK_BYTES = 512

/** What a tar entry is: a file type of a layer, or a hard link to an earlier entry. */
export type TarEntryType = Exclude<FileType, 'socket'> | 'hardlink'

/** One entry of a tar archive, in the terms of FileEntry. `path` is as the archive writes it. */
export interface TarHeader {
  readonly path: string
  readonly type: TarEntryType
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Bytes of content that follow in the archive. */
  readonly size: number
  readonly mtimeNs: bigint
  readonly linkTarget: string
  readonly devMajor: number
  readonly devMinor: number
  /** Extended attributes by name, from `SCHILY.xattr.` records. */
  readonly xattrs: ReadonlyMap<string, Uint8Array>
}

/** A file of root's that says nothing of itself; its name, size and mode are to be added. */
export const ROOT_FILE: Omit<TarHeader, 'path' | 'size' | 'mode'> = {
  type: 'file',
  uid: 0,
  gid: 0,
  mtimeNs: 0n,
  linkTarget: '',
  devMajor: 0,
  devMinor: 0,
  xattrs: new Map(),
}

/** Type flags of pax interchange format (POSIX.1-2017, pax, ustar Interchange Format). */
const TYPE_FLAGS: Readonly<Record<TarEntryType, string>> = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  character: '3',
  block: '4',
  directory: '5',
  fifo: '6',
}

const NAME_BYTES = 100
const PREFIX_BYTES = 155
const MAX_ID = 0o7777777
const MAX_SIZE = 0o77777777777

/**
 * The header blocks of an entry, in the dialect that BuildKit and Go write: plain ustar where everything fits, a pax
 * header in front only for what does not; times in whole seconds; no names of users and groups.
 */
export function encodeTarHeader(header: TarHeader): Buffer {
  const path = Buffer.from(header.path)
  const split = isAscii(path) ? splitPath(path) : undefined
  const records = paxRecords(header)
  if (split !== undefined && records.length === 0) return encodeBlock(header, split)
  const isPlain = path.length <= NAME_BYTES && split !== undefined
  return Buffer.concat([
    // Once there is a pax header, it also has the path that a prefix could have held.
    encodePax(header.path, isPlain ? records : [['path', path], ...records]),
    encodeBlock(header, { prefix: EMPTY, name: toAscii(path) }),
  ])
}

const EMPTY = Buffer.alloc(0)

type PaxRecord = readonly [key: string, value: Uint8Array]

/** What a plain header has no room for, but the path. */
function paxRecords(header: TarHeader): readonly PaxRecord[] {
  const link = Buffer.from(header.linkTarget)
  const seconds = wholeSeconds(header.mtimeNs)
  const number = (value: number) => Buffer.from(String(value))
  const candidates: readonly (PaxRecord | false)[] = [
    (link.length > NAME_BYTES || !isAscii(link)) && ['linkpath', link],
    header.uid > MAX_ID && ['uid', number(header.uid)],
    header.gid > MAX_ID && ['gid', number(header.gid)],
    header.size > MAX_SIZE && ['size', number(header.size)],
    (seconds < 0 || seconds > MAX_SIZE) && ['mtime', number(seconds)],
    ...[...header.xattrs].map(([name, value]): PaxRecord => [`SCHILY.xattr.${name}`, value]),
  ]
  return candidates.filter((candidate) => candidate !== false)
}

function encodePax(path: string, records: readonly PaxRecord[]): Buffer {
  const sorted = [...records].sort(([a], [b]) => (a < b ? -1 : 1))
  const body = Buffer.concat(sorted.map(([key, value]) => encodePaxRecord(key, value)))
  return Buffer.concat([
    finishBlock(startBlock(paxName(path), { mode: 0, uid: 0, gid: 0, size: body.length, mtimeNs: 0n }, 'x')),
    body,
    Buffer.alloc(paddingOf(body.length)),
  ])
}

/** `<directory>/PaxHeaders.0/<name>`, where a path that ends with a slash is a directory without a name behind it. */
function paxName(path: string): Uint8Array {
  const slash = path.lastIndexOf('/')
  const name = posix.join(path.slice(0, slash + 1), 'PaxHeaders.0', path.slice(slash + 1))
  const ascii = Buffer.from(toAscii(Buffer.from(name))).toString('latin1', 0, NAME_BYTES)
  return Buffer.from(ascii.replace(/\/+$/, ''))
}

/** `LENGTH key=value\n`, where LENGTH counts the whole record, itself included. */
function encodePaxRecord(key: string, value: Uint8Array): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from('\n')])
  let length = rest.length + String(rest.length).length
  if (String(length).length > String(rest.length).length) length = rest.length + String(length).length
  return Buffer.concat([Buffer.from(String(length)), rest])
}

type CommonFields = Pick<TarHeader, 'mode' | 'uid' | 'gid' | 'size' | 'mtimeNs'>

function encodeBlock(header: TarHeader, path: SplitPath): Buffer {
  const block = startBlock(path.name, header, TYPE_FLAGS[header.type])
  writeText(block, 157, NAME_BYTES, toAscii(Buffer.from(header.linkTarget)))
  writeOctal(block, 329, 8, header.devMajor)
  writeOctal(block, 337, 8, header.devMinor)
  block.set(path.prefix, 345)
  return finishBlock(block)
}

/** The fields that every header has; a value too large for its field is left to a pax header and becomes 0. */
function startBlock(name: Uint8Array, fields: CommonFields, typeFlag: string): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES)
  const seconds = wholeSeconds(fields.mtimeNs)
  writeText(block, 0, NAME_BYTES, name)
  writeOctal(block, 100, 8, fields.mode)
  writeOctal(block, 108, 8, fields.uid > MAX_ID ? 0 : fields.uid)
  writeOctal(block, 116, 8, fields.gid > MAX_ID ? 0 : fields.gid)
  writeOctal(block, 124, 12, fields.size > MAX_SIZE ? 0 : fields.size)
  writeOctal(block, 136, 12, seconds < 0 || seconds > MAX_SIZE ? 0 : seconds)
  block.write(typeFlag, 156, 'latin1')
  block.write('ustar\u000000', 257, 'latin1')
  return block
}

/** A text that is cut ends without a slash: some readers take a plain file with one for a directory. */
function writeText(block: Buffer, offset: number, width: number, text: Uint8Array): void {
  let end = Math.min(text.length, width)
  if (text.length > width) while (text[end - 1] === 0x2f) end -= 1
  block.set(text.subarray(0, end), offset)
}

/** Seconds since the epoch, rounded down. */
function wholeSeconds(ns: bigint): number {
  const seconds = ns / NS_PER_SECOND
  return Number(ns < 0n && seconds * NS_PER_SECOND !== ns ? seconds - 1n : seconds)
}

const NS_PER_SECOND = 1_000_000_000n

function writeOctal(block: Buffer, offset: number, width: number, value: number): void {
  block.write(value.toString(8).padStart(width - 1, '0'), offset, 'latin1')
}

function finishBlock(block: Buffer): Buffer {
  block.write(`${checksumOf(block).toString(8).padStart(6, '0')}\u0000 `, 148, 'latin1')
  return block
}

/** Sum of all bytes of a header block, the checksum field itself counted as blanks. */
export function checksumOf(block: Uint8Array): number {
  let sum = 8 * 0x20
  for (let i = 0; i < 148; i += 1) sum += block[i] ?? 0
  for (let i = 156; i < BLOCK_BYTES; i += 1) sum += block[i] ?? 0
  return sum
}

interface SplitPath {
  readonly prefix: Uint8Array
  readonly name: Uint8Array
}

/** The path as ustar's prefix and name, cut at the last slash that makes both fit; undefined where none does. */
function splitPath(path: Buffer): SplitPath | undefined {
  if (path.length <= NAME_BYTES) return { prefix: EMPTY, name: path }
  if (path.length > NAME_BYTES + 1 + PREFIX_BYTES) return undefined
  const end = path.at(-1) === 0x2f ? path.length - 1 : path.length
  const slash = path.subarray(0, Math.min(end, PREFIX_BYTES + 1)).lastIndexOf(0x2f)
  const nameLength = path.length - slash - 1
  if (slash <= 0 || nameLength > NAME_BYTES || nameLength === 0) return undefined
  return { prefix: path.subarray(0, slash), name: path.subarray(slash + 1) }
}

function isAscii(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte < 0x80)
}

function toAscii(bytes: Uint8Array): Uint8Array {
  return bytes.filter((byte) => byte < 0x80)
}

/** Zero bytes that follow `size` bytes of content, up to the next block. */
export function paddingOf(size: number): number {
  return (BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES
}
