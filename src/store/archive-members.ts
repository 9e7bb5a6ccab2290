import { closeSync, openSync, readSync } from 'node:fs'
import { fileSystemError, OssbError } from '../core/index.ts'

/** Where the bytes of a file lie in an archive. */
export interface ArchiveMember {
  readonly offset: number
  /** Bytes. */
  readonly size: number
}

const BLOCK = 512
/** The longest extended header that is read. */
const MAX_RECORDS = 1024 * 1024

/**
 * The files of a tar archive (POSIX ustar and pax) by name, without a leading "./"; of two with one name the later.
 * Only headers are read, so that an archive of any size is opened at once.
 * @throws OssbError ERR_OSSB_IMAGE_INVALID for what is no such archive, or is cut off
 */
export function readArchiveMembers(path: string): ReadonlyMap<string, ArchiveMember> {
  const fd = openArchive(path)
  try {
    return readMembers(fd, path)
  } finally {
    closeSync(fd)
  }
}

function readMembers(fd: number, path: string): ReadonlyMap<string, ArchiveMember> {
  const members = new Map<string, ArchiveMember>()
  let records: ReadonlyMap<string, string> = new Map()
  for (let at = 0; ; ) {
    const header = read(fd, at, BLOCK)
    if (header.length === 0 || (header.length === BLOCK && header.every((byte) => byte === 0))) return members
    if (header.length < BLOCK || !isHeader(header)) throw invalid(path, 'it is no tar archive, or is cut off')
    const size = Number(records.get('size') ?? readSize(header))
    if (!Number.isSafeInteger(size) || size < 0) throw invalid(path, 'a file has an impossible size')
    const type = header[156] ?? 0
    const offset = at + BLOCK
    at = offset + Math.ceil(size / BLOCK) * BLOCK
    if (String.fromCharCode(type) === 'x') {
      if (size > MAX_RECORDS) throw invalid(path, 'a header is too long')
      records = readRecords(read(fd, offset, size))
      continue
    }
    const name = (records.get('path') ?? readName(header)).replace(/^(?:\.\/)+/, '')
    if (type === 0 || type === 0x30) members.set(name, { offset, size })
    records = new Map()
  }
}

function openArchive(path: string): number {
  try {
    return openSync(path, 'r')
  } catch (error) {
    throw fileSystemError(`read the archive "${path}"`, error)
  }
}

function read(fd: number, position: number, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  let done = 0
  for (let count = -1; done < length && count !== 0; done += count)
    count = readSync(fd, bytes, done, length - done, position + done)
  return bytes.subarray(0, done)
}

function isHeader(header: Buffer): boolean {
  let sum = 0
  for (let i = 0; i < BLOCK; i += 1) sum += i >= 148 && i < 156 ? 0x20 : (header[i] ?? 0)
  return sum === Number.parseInt(text(header, 148, 8), 8)
}

/** Octal digits or, for large files, a binary number (GNU). */
function readSize(header: Buffer): number {
  if ((header[124] ?? 0) < 0x80) return Number.parseInt(text(header, 124, 12) || '0', 8)
  return header.subarray(125, 136).reduce((value, byte) => value * 256 + byte, 0)
}

function readName(header: Buffer): string {
  const prefix = text(header, 257, 6) === 'ustar' ? text(header, 345, 155) : ''
  return prefix === '' ? text(header, 0, 100) : `${prefix}/${text(header, 0, 100)}`
}

function text(header: Buffer, at: number, length: number): string {
  return header
    .toString('utf8', at, at + length)
    .split('\0', 1)
    .join('')
    .trim()
}

/** `LENGTH KEY=VALUE\n`, one after the other (POSIX, pax Extended Header). */
function readRecords(bytes: Buffer): ReadonlyMap<string, string> {
  const records = new Map<string, string>()
  for (let at = 0; at < bytes.length; ) {
    const length = Number.parseInt(bytes.toString('latin1', at, at + 20), 10)
    if (!(length > 0)) break
    const record = bytes.toString('utf8', at, at + length - 1)
    const [, key, value] = /^\d+ ([^=]*)=([\s\S]*)$/.exec(record) ?? []
    if (key !== undefined && value !== undefined) records.set(key, value)
    at += length
  }
  return records
}

function invalid(path: string, why: string): OssbError {
  return new OssbError('ERR_OSSB_IMAGE_INVALID', `Cannot read the archive "${path}": ${why}`)
}
