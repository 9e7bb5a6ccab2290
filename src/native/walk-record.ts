import { type FileEntry, type FileType, fileSystemError, OssbError } from '../core/index.ts'
import { systemError } from './system-error.ts'

const HEADER_BYTES = 88
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

/** Turns the byte stream of the helper's `walk` (struct record in c/walk.c) into entries, whatever its pieces. */
export interface WalkDecoder {
  decode(chunk: Buffer): readonly FileEntry[]
  /** True once the last record came: a stream that ends before was cut off. */
  readonly ended: boolean
}

export function createWalkDecoder(root: string): WalkDecoder {
  let rest: Buffer = Buffer.alloc(0)
  let ended = false
  const directories: string[] = []
  const takeRecord = (bytes: Buffer, at: number): FileEntry | undefined => {
    const type = bytes[at + 4]
    if (type === FAILED) throw walkError(root, bytes, at)
    ended = type === END
    return ended ? undefined : readEntry(root, bytes, at, directories)
  }
  return {
    decode(chunk) {
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      const entries: FileEntry[] = []
      let at = 0
      while (bytes.length - at >= 4) {
        const length = bytes.readUInt32LE(at)
        if (bytes.length - at < length) break
        const entry = takeRecord(bytes, at)
        if (entry !== undefined) entries.push(entry)
        at += length
      }
      rest = bytes.subarray(at)
      return entries
    },
    get ended() {
      return ended
    },
  }
}

function readEntry(root: string, bytes: Buffer, at: number, directories: string[]): FileEntry {
  const flags = bytes[at + 5] ?? 0
  const type = TYPES[bytes[at + 4] ?? 0]
  if (type === undefined) throw new OssbError('ERR_OSSB_INTERNAL', `Cannot read the walk of "${root}"`)
  const depth = bytes.readUInt32LE(at + 8)
  const nameEnd = at + HEADER_BYTES + bytes.readUInt16LE(at + 6)
  const linkEnd = nameEnd + bytes.readUInt32LE(at + 40)
  const capabilityBytes = bytes.readUInt32LE(at + 28)
  const name = bytes.toString((flags & FLAG_ASCII) === 0 ? 'utf8' : 'latin1', at + HEADER_BYTES, nameEnd)
  const parent = depth <= 1 ? '' : directories[depth - 1]
  const path = parent === '' || parent === undefined ? name : `${parent}/${name}`
  if ((flags & FLAG_NOT_UTF8) !== 0) throw notUtf8(root, path)
  if (type === 'directory') directories[depth] = path
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
