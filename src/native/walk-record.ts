import { type FileEntry, type FileType, fileSystemError, OssbError } from '../core/index.ts'
import { systemError } from './system-error.ts'

const HEADER_BYTES = 88
/** Offsets in a record. */
const TYPE = 4
const FLAGS = 5
const DEPTH = 8
const CHANGE_TIME = 80
/** Values of `type`. */
const DIRECTORY = 2
const END = 0
const FAILED = 255
const FLAG_ASCII = 1
const FLAG_NOT_UTF8 = 2
const FLAG_OPAQUE = 4
const TYPES: readonly (FileType | undefined)[] = [
  undefined,
  'file',
  'directory',
  'symlink',
  'character',
  'block',
  'fifo',
  'socket',
]

/** Cuts the byte stream of the helper's `walk` (struct record in c/walk.c) into whole records, whatever its pieces. */
export interface RecordSplitter {
  /** The records that are whole now, as one piece; it may be empty. */
  split(chunk: Buffer): Buffer
  /** True once the last record came: a stream that ends before was cut off. */
  readonly ended: boolean
}

export function createRecordSplitter(root: string): RecordSplitter {
  let rest: Buffer = Buffer.alloc(0)
  let ended = false
  return {
    split(chunk) {
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      let at = 0
      while (bytes.length - at >= 4) {
        const length = bytes.readUInt32LE(at)
        if (bytes.length - at < length) break
        if (bytes[at + TYPE] === FAILED) throw walkError(root, bytes, at)
        ended = bytes[at + TYPE] === END
        if (ended) break
        at += length
      }
      rest = bytes.subarray(at)
      return bytes.subarray(0, at)
    },
    get ended() {
      return ended
    },
  }
}

/** Goes from record to record. Entries are made of those only that somebody asks for. */
export interface RecordCursor {
  /** Where to read on, once all that was there has been read. */
  load(records: Buffer): void
  /** Goes on to the next record, the first one to begin with; false where there is none. */
  next(): boolean
  entry(): FileEntry
  /** The latest change time of all records so far, in nanoseconds; that of none is the epoch. */
  newestChange(): bigint
  /** Whether both are at the same path, and nothing at all of the records differs. */
  equals(other: RecordCursor): boolean
  isAt(parent: string, bytes: Buffer, start: number, end: number): boolean
}

export function createRecordCursor(root: string): RecordCursor {
  let bytes: Buffer = Buffer.alloc(0)
  let at = 0
  let end = 0
  let parent = ''
  let newestHigh = 0
  let newestLow = 0
  const directories: string[] = []
  return {
    load(records) {
      bytes = records
      at = end = 0
    },
    next() {
      at = end
      if (at === bytes.length) return false
      end = at + bytes.readUInt32LE(at)
      // In two halves: a bigint for each record would take longer than all the rest.
      const low = bytes.readUInt32LE(at + CHANGE_TIME)
      const high = bytes.readInt32LE(at + CHANGE_TIME + 4)
      if (high > newestHigh || (high === newestHigh && low > newestLow)) {
        newestHigh = high
        newestLow = low
      }
      const depth = bytes.readUInt32LE(at + DEPTH)
      parent = depth <= 1 ? '' : (directories[depth - 1] ?? '')
      if (bytes[at + TYPE] === DIRECTORY) directories[depth] = pathOf(bytes, at, parent)
      return true
    },
    newestChange: () => (BigInt(newestHigh) << 32n) + BigInt(newestLow),
    entry: () => readEntry(root, bytes, at, parent),
    equals: (other) => other.isAt(parent, bytes, at, end),
    isAt: (otherParent, other, start, stop) =>
      stop - start === end - at && otherParent === parent && other.compare(bytes, at, end, start, stop) === 0,
  }
}

function pathOf(bytes: Buffer, at: number, parent: string): string {
  const isAscii = ((bytes[at + FLAGS] ?? 0) & FLAG_ASCII) !== 0
  const start = at + HEADER_BYTES
  const name = bytes.toString(isAscii ? 'latin1' : 'utf8', start, start + bytes.readUInt16LE(at + 6))
  return parent === '' ? name : `${parent}/${name}`
}

function readEntry(root: string, bytes: Buffer, at: number, parent: string): FileEntry {
  const flags = bytes[at + FLAGS] ?? 0
  const type = TYPES[bytes[at + TYPE] ?? 0]
  if (type === undefined) throw new OssbError('ERR_OSSB_INTERNAL', `Cannot read the walk of "${root}"`)
  const nameEnd = at + HEADER_BYTES + bytes.readUInt16LE(at + 6)
  const linkEnd = nameEnd + bytes.readUInt32LE(at + 40)
  const capabilityBytes = bytes.readUInt32LE(at + 28)
  const path = pathOf(bytes, at, parent)
  if ((flags & FLAG_NOT_UTF8) !== 0) throw notUtf8(root, path)
  return {
    path,
    type,
    mode: bytes.readUInt32LE(at + 12),
    uid: bytes.readUInt32LE(at + 16),
    gid: bytes.readUInt32LE(at + 20),
    nlink: bytes.readUInt32LE(at + 24),
    rdevMajor: bytes.readUInt32LE(at + 32),
    rdevMinor: bytes.readUInt32LE(at + 36),
    size: readNumber(bytes, at + 48),
    dev: readNumber(bytes, at + 56),
    ino: bytes.readBigUInt64LE(at + 64),
    mtimeNs: bytes.readBigInt64LE(at + 72),
    ctimeNs: bytes.readBigInt64LE(at + 80),
    ...(type === 'symlink' ? { linkTarget: bytes.toString('utf8', nameEnd, linkEnd) } : {}),
    ...(capabilityBytes === 0
      ? {}
      : { capability: Uint8Array.from(bytes.subarray(linkEnd, linkEnd + capabilityBytes)) }),
    ...((flags & FLAG_OPAQUE) === 0 ? {} : { opaque: true }),
  }
}

/** A 64-bit number that is known to be below 2^53. */
function readNumber(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 0x1_0000_0000
}

function walkError(root: string, bytes: Buffer, at: number): OssbError {
  const nameEnd = at + HEADER_BYTES + bytes.readUInt16LE(at + 6)
  const step = bytes.toString('utf8', at + HEADER_BYTES, nameEnd)
  const path = bytes.toString('utf8', nameEnd, nameEnd + bytes.readUInt32LE(at + 40))
  return fileSystemError(
    `read the tree "${root}"`,
    systemError(readNumber(bytes, at + 48), `${step} "${path}"`),
  )
}

function notUtf8(root: string, path: string): OssbError {
  return new OssbError(
    'ERR_OSSB_FILESYSTEM',
    `Cannot read the tree "${root}": the name of "${path}", or what it links to, is not UTF-8`,
    { hint: 'Layers hold names as UTF-8. Rename the file in the step that makes it.' },
  )
}
