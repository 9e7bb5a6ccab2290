import { OssbError } from '../core/index.ts'

/** The most that a pax header, a GNU long name or the map of a sparse file may hold, in bytes. */
export const MAX_METADATA_BYTES: number = 1024 * 1024

export function invalid(why: string): OssbError {
  return new OssbError('ERR_OSSB_LAYER_INVALID', `Cannot read the tar archive: ${why}`)
}

/** The value of a text of decimal digits; NaN for any other. */
export function decimal(text: string): number {
  return /^\d+$/.test(text) ? Number(text) : Number.NaN
}

/** A pax time: decimal seconds, with a fraction of any length. */
export function readTime(record: Buffer | undefined): bigint | undefined {
  if (record === undefined) return undefined
  const match = /^(-?)(\d{1,18})(?:\.(\d*))?$/.exec(record.toString())
  if (match === null) throw invalid('an entry has an impossible time')
  const ns = BigInt(match[2] ?? '0') * 1_000_000_000n + BigInt((match[3] ?? '').slice(0, 9).padEnd(9, '0'))
  return match[1] === '-' ? -ns : ns
}

const MAX_TIME_NS = 2n ** 63n - 1n

/** The nearest time that file systems have: some writers put year 1 where they know no time. */
export function representable(ns: bigint): bigint {
  return ns > MAX_TIME_NS ? MAX_TIME_NS : ns < -MAX_TIME_NS ? -MAX_TIME_NS : ns
}

/** A number field: octal digits, or big-endian binary where the first bit is set (GNU). */
export function readNumber(block: Buffer, offset: number, width: number): number {
  const first = block[offset] ?? 0
  if ((first & 0x80) !== 0) {
    let value = BigInt(first & 0x7f)
    for (const byte of block.subarray(offset + 1, offset + width)) value = (value << 8n) | BigInt(byte)
    return (first & 0x40) !== 0 ? Number(BigInt.asIntN(width * 8 - 1, value)) : Number(value)
  }
  return readOctal(block, offset, offset + width)
}

/** Octal digits up to a NUL, with blanks (and NULs in front) around them; nothing at all is 0. */
function readOctal(block: Buffer, start: number, end: number): number {
  let at = start
  while (at < end && (block[at] === 0 || block[at] === 0x20)) at += 1
  let value = 0
  for (; at < end && isOctalDigit(block[at]); at += 1) value = value * 8 + ((block[at] ?? 0) - 0x30)
  while (at < end && block[at] === 0x20) at += 1
  if (at < end && block[at] !== 0) throw invalid('a header has a field that is not a number')
  return value
}

function isOctalDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x37
}

/** The records of a pax header's body, laid over those before. */
export function mergeRecords(into: ReadonlyMap<string, Buffer>, body: Buffer): ReadonlyMap<string, Buffer> {
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
