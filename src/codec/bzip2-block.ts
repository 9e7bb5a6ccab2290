import { OssbError } from '../core/index.ts'
import type { Bzip2Bits } from './bzip2-bits.ts'
import { type HuffmanTable, huffmanTable, readSymbol } from './bzip2-huffman.ts'

const OUTPUT_SIZE = 256 * 1024
const GROUP_SIZE = 50
const MAX_SELECTORS = 18_002
const CRC_TABLE = crcTable()

/** Decodes bzip2 data, a header, a block or an end at a time. */
export class Bzip2BlockDecoder {
  /** The bytes that a block may hold before its run-length coding is undone; 0 between streams. */
  #blockSize = 0
  #streamCrc = 0
  #chain: Uint32Array = new Uint32Array(0)

  get isBetweenStreams(): boolean {
    return this.#blockSize === 0
  }

  /** What comes next in the data; `bits` must hold all of it. */
  *step(bits: Bzip2Bits): Generator<Uint8Array, void, undefined> {
    if (this.isBetweenStreams) {
      this.#readHeader(bits)
      return
    }
    const high = bits.read(24)
    const low = bits.read(24)
    const crc = read32(bits)
    if (high === 0x177245 && low === 0x385090) this.#endStream(bits, crc)
    else if (high === 0x314159 && low === 0x265359) yield* this.#decodeBlock(bits, crc)
    else throw corrupt('a block begins wrongly')
  }

  #readHeader(bits: Bzip2Bits): void {
    if (bits.read(24) !== 0x425a68) throw corrupt('other data follows its end')
    const level = bits.read(8) - 0x30
    if (level < 1 || level > 9) throw corrupt('its block size is unknown')
    this.#blockSize = level * 100_000
    if (this.#chain.length < this.#blockSize) this.#chain = new Uint32Array(this.#blockSize)
    this.#streamCrc = 0
  }

  #endStream(bits: Bzip2Bits, crc: number): void {
    if (crc !== this.#streamCrc) throw corrupt('its checksum is wrong')
    bits.align()
    this.#blockSize = 0
  }

  *#decodeBlock(bits: Bzip2Bits, expected: number): Generator<Uint8Array, void, undefined> {
    if (bits.read(1) === 1) throw corrupt('randomised blocks are not supported')
    const start = bits.read(24)
    const length = this.#readSymbols(bits)
    if (start >= length) throw corrupt('a block starts outside of itself')
    linkBytes(this.#chain, length)
    let crc = 0xffffffff
    for (const piece of expandRuns(this.#chain, length, start)) {
      crc = updateCrc(crc, piece)
      yield piece
    }
    const actual = ~crc >>> 0
    if (actual !== expected) throw corrupt('the checksum of a block is wrong')
    this.#streamCrc = (((this.#streamCrc << 1) | (this.#streamCrc >>> 31)) ^ actual) >>> 0
  }

  /** Undoes the Huffman, move-to-front and zero-run coding into the chain; answers how many bytes there are. */
  #readSymbols(bits: Bzip2Bits): number {
    const front = readAlphabet(bits)
    const end = front.length + 1
    const tableCount = bits.read(3)
    if (tableCount < 2 || tableCount > 6) throw corrupt('the number of code tables is wrong')
    const selectors = readSelectors(bits, tableCount)
    const tables = Array.from({ length: tableCount }, () => huffmanTable(readLengths(bits, end + 1)))
    const chain = this.#chain
    let length = 0
    let run = 0
    let runBit = 1
    for (let group = 0; ; group += 1) {
      const table = tables[selectors[group] ?? tableCount]
      if (table === undefined) throw corrupt('a block has no end')
      for (let left = GROUP_SIZE; left > 0; left -= 1) {
        const symbol = symbolOf(bits, table)
        if (symbol <= 1) {
          run += runBit << symbol
          runBit <<= 1
          if (run > this.#blockSize) throw corrupt('a block is too long')
          continue
        }
        if (run > 0) {
          if (length + run > this.#blockSize) throw corrupt('a block is too long')
          chain.fill(front[0] as number, length, length + run)
          length += run
          run = 0
          runBit = 1
        }
        if (symbol === end) return length
        if (length >= this.#blockSize) throw corrupt('a block is too long')
        chain[length] = moveToFront(front, symbol - 1)
        length += 1
      }
    }
  }
}

function symbolOf(bits: Bzip2Bits, table: HuffmanTable): number {
  const symbol = readSymbol(bits, table)
  if (symbol === undefined) throw corrupt('a code is unknown')
  return symbol
}

/** The byte values that a block has, in order: 16 bits say which ranges of 16 there are, then 16 bits for each. */
function readAlphabet(bits: Bzip2Bits): Uint8Array {
  const ranges = bits.read(16)
  const values: number[] = []
  for (let range = 0; range < 16; range += 1) {
    if ((ranges & (0x8000 >> range)) === 0) continue
    const used = bits.read(16)
    for (let i = 0; i < 16; i += 1) if ((used & (0x8000 >> i)) !== 0) values.push(range * 16 + i)
  }
  if (values.length === 0) throw corrupt('a block has no values')
  return Uint8Array.from(values)
}

/** Which table each group of symbols uses. Encoders may write more than a block can use: those are left out. */
function readSelectors(bits: Bzip2Bits, tableCount: number): Uint8Array {
  const count = bits.read(15)
  if (count === 0) throw corrupt('a block has no code tables')
  const selectors = new Uint8Array(Math.min(count, MAX_SELECTORS))
  const front = Uint8Array.from({ length: tableCount }, (_, i) => i)
  for (let i = 0; i < count; i += 1) {
    let position = 0
    while (bits.read(1) === 1) {
      position += 1
      if (position >= tableCount) throw corrupt('a code table is unknown')
    }
    const selector = moveToFront(front, position)
    if (i < MAX_SELECTORS) selectors[i] = selector
  }
  return selectors
}

/** Lengths of codes, each as a difference to the one before. */
function readLengths(bits: Bzip2Bits, count: number): Uint8Array {
  const lengths = new Uint8Array(count)
  let length = bits.read(5)
  for (let i = 0; i < count; i += 1) {
    for (; ; length += bits.read(1) === 1 ? -1 : 1) {
      if (length < 1 || length > 20) throw corrupt('the length of a code is wrong')
      if (bits.read(1) === 0) break
    }
    lengths[i] = length
  }
  return lengths
}

function moveToFront(list: Uint8Array, position: number): number {
  const value = list[position] as number
  list.copyWithin(1, 0, position)
  list[0] = value
  return value
}

/** Undoes the Burrows-Wheeler transform: the upper 24 bits of each element say where the next byte is. */
function linkBytes(chain: Uint32Array, length: number): void {
  const next = new Uint32Array(257)
  for (let i = 0; i < length; i += 1) next[((chain[i] as number) & 0xff) + 1]! += 1
  for (let value = 1; value < 257; value += 1) next[value]! += next[value - 1] as number
  for (let i = 0; i < length; i += 1) {
    const value = (chain[i] as number) & 0xff
    const at = next[value] as number
    next[value] = at + 1
    chain[at] = ((chain[at] as number) & 0xff) | (i << 8)
  }
}

/** Follows the chain, and undoes the run-length coding: after four equal bytes comes the number of further ones. */
function* expandRuns(
  chain: Uint32Array,
  length: number,
  start: number,
): Generator<Uint8Array, void, undefined> {
  let piece = new Uint8Array(OUTPUT_SIZE)
  let size = 0
  let at = (chain[start] as number) >>> 8
  let previous = -1
  let equal = 0
  for (let i = 0; i < length; i += 1) {
    const link = chain[at] as number
    const value = link & 0xff
    at = link >>> 8
    const isCount = equal === 4
    if (!isCount) {
      equal = value === previous ? equal + 1 : 1
      previous = value
    }
    const copies = isCount ? value : 1
    if (size + copies > OUTPUT_SIZE) {
      yield piece.subarray(0, size)
      piece = new Uint8Array(OUTPUT_SIZE)
      size = 0
    }
    piece.fill(previous, size, size + copies)
    size += copies
    if (isCount) {
      equal = 0
      previous = -1
    }
  }
  if (size > 0) yield piece.subarray(0, size)
}

function updateCrc(crc: number, bytes: Uint8Array): number {
  let value = crc
  for (let i = 0; i < bytes.length; i += 1)
    value = (value << 8) ^ (CRC_TABLE[((value >>> 24) ^ (bytes[i] as number)) & 0xff] as number)
  return value >>> 0
}

/** CRC-32 with the highest bit first, polynomial 0x04c11db7. */
function crcTable(): Int32Array {
  return Int32Array.from({ length: 256 }, (_, byte) => {
    let value = byte << 24
    for (let bit = 0; bit < 8; bit += 1) value = (value << 1) ^ (value < 0 ? 0x04c11db7 : 0)
    return value
  })
}

function read32(bits: Bzip2Bits): number {
  return ((bits.read(16) << 16) | bits.read(16)) >>> 0
}

function corrupt(reason: string): OssbError {
  return new OssbError('ERR_OSSB_CODEC', `Cannot decompress the bzip2 data: ${reason}`)
}
