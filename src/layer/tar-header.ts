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
  const split = splitPath(path)
  const link = Buffer.from(header.linkTarget)
  const records: [string, Uint8Array][] = []
  if (split === undefined || !isAscii(path)) records.push(['path', path])
  if (link.length > NAME_BYTES || !isAscii(link)) records.push(['linkpath', link])
  if (header.uid > MAX_ID) records.push(['uid', Buffer.from(String(header.uid))])
  if (header.gid > MAX_ID) records.push(['gid', Buffer.from(String(header.gid))])
  if (header.size > MAX_SIZE) records.push(['size', Buffer.from(String(header.size))])
  for (const [name, value] of header.xattrs) records.push([`SCHILY.xattr.${name}`, value])
  const block = encodeBlock(
    header,
    split ?? { prefix: Buffer.alloc(0), name: toAscii(path) },
    toAscii(link),
    TYPE_FLAGS[header.type],
  )
  return records.length === 0 ? block : Buffer.concat([encodePax(header.path, records), block])
}

function encodePax(path: string, records: readonly [string, Uint8Array][]): Buffer {
  const sorted = [...records].sort(([a], [b]) => (a < b ? -1 : 1))
  const body = Buffer.concat(sorted.map(([key, value]) => encodePaxRecord(key, value)))
  const slash = path.replace(/\/+$/, '').lastIndexOf('/')
  const name = `${path.slice(0, slash + 1)}PaxHeaders.0/${path.slice(slash + 1)}`.replace(/\/+$/, '')
  const header = { mode: 0, uid: 0, gid: 0, size: body.length, mtimeNs: 0n, devMajor: 0, devMinor: 0 }
  const block = encodeBlock(
    header,
    { prefix: Buffer.alloc(0), name: toAscii(Buffer.from(name)).subarray(0, NAME_BYTES) },
    Buffer.alloc(0),
    'x',
  )
  return Buffer.concat([block, body, Buffer.alloc(paddingOf(body.length))])
}

/** `LENGTH key=value\n`, where LENGTH counts the whole record, itself included. */
function encodePaxRecord(key: string, value: Uint8Array): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from('\n')])
  let length = rest.length + String(rest.length).length
  if (String(length).length > String(rest.length).length) length = rest.length + String(length).length
  return Buffer.concat([Buffer.from(String(length)), rest])
}

type BlockFields = Pick<TarHeader, 'mode' | 'uid' | 'gid' | 'size' | 'mtimeNs' | 'devMajor' | 'devMinor'>

function encodeBlock(fields: BlockFields, path: SplitPath, link: Uint8Array, typeFlag: string): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES)
  block.set(path.name.subarray(0, NAME_BYTES), 0)
  writeOctal(block, 100, 8, fields.mode)
  writeOctal(block, 108, 8, fields.uid > MAX_ID ? 0 : fields.uid)
  writeOctal(block, 116, 8, fields.gid > MAX_ID ? 0 : fields.gid)
  writeOctal(block, 124, 12, fields.size > MAX_SIZE ? 0 : fields.size)
  writeOctal(block, 136, 12, wholeSeconds(fields.mtimeNs))
  block.write(typeFlag, 156, 'latin1')
  block.set(link.subarray(0, NAME_BYTES), 157)
  block.write('ustar\u000000', 257, 'latin1')
  writeOctal(block, 329, 8, fields.devMajor)
  writeOctal(block, 337, 8, fields.devMinor)
  block.set(path.prefix, 345)
  writeChecksum(block)
  return block
}

/** Seconds, rounded down; a time before the epoch can't be written in a plain header and becomes the epoch. */
function wholeSeconds(ns: bigint): number {
  return ns < 0n ? 0 : Number(ns / 1_000_000_000n)
}

function writeOctal(block: Buffer, offset: number, width: number, value: number): void {
  block.write(value.toString(8).padStart(width - 1, '0'), offset, 'latin1')
}

function writeChecksum(block: Buffer): void {
  block.fill(0x20, 148, 156)
  block.write(`${checksumOf(block).toString(8).padStart(6, '0')}\u0000 `, 148, 'latin1')
}

/** Sum of all bytes of a header block, the checksum field itself counted as blanks. */
export function checksumOf(block: Uint8Array): number {
  let sum = 0
  for (let i = 0; i < BLOCK_BYTES; i += 1) sum += i >= 148 && i < 156 ? 0x20 : (block[i] ?? 0)
  return sum
}

interface SplitPath {
  readonly prefix: Uint8Array
  readonly name: Uint8Array
}

/** The path as ustar's prefix and name, cut at the last slash that makes both fit; undefined where none does. */
function splitPath(path: Buffer): SplitPath | undefined {
  if (path.length <= NAME_BYTES) return { prefix: Buffer.alloc(0), name: path }
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
