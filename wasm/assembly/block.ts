import { alignToByte, cursor, pending, pendingCount, putBits, putBytes, setOutput } from './bit-writer'
import { planHeader, putHeader } from './code-lengths'
import { DISTANCE_COUNTERS } from './histogram'
import { assignCodes, codeLengths } from './huffman'
import { distanceOf, lengthOf, literalsOf } from './sequences'
import {
  DISTANCES,
  distanceCode,
  distanceExtra,
  END_OF_BLOCK,
  FIRST_LENGTH,
  LITERALS,
  lengthBase,
  lengthCode,
  lengthExtra,
} from './symbols'

const STORED_MAX: u32 = 65535
const STORED: u32 = 0
const FIXED: u32 = 1
const DYNAMIC: u32 = 2

const FIXED_LENGTHS: usize = memory.data(320, 16)
const DYNAMIC_LENGTHS: usize = memory.data(320, 16)
const CODES: usize = memory.data(1280, 16)
/** For each match length, its code and its extra bits in one: count << 24 | bits. */
const LENGTH_CODES: usize = memory.data(1040, 16)

export function initBlock(): void {
  memory.fill(FIXED_LENGTHS, 8, 144)
  memory.fill(FIXED_LENGTHS + 144, 9, 112)
  memory.fill(FIXED_LENGTHS + 256, 7, 24)
  memory.fill(FIXED_LENGTHS + 280, 8, 8)
  memory.fill(FIXED_LENGTHS + LITERALS, 5, DISTANCES)
}

function bodyBits(histogram: usize, lengths: usize): u32 {
  let bits: u32 = 0
  for (let symbol: u32 = 0; symbol < LITERALS + DISTANCES; symbol++) {
    bits += load<u32>(histogram + (symbol << 2)) * load<u8>(lengths + symbol)
  }
  return bits
}

function extraBitsOf(histogram: usize): u32 {
  let bits: u32 = 0
  for (let code: u32 = 8; code < 28; code++) {
    bits += load<u32>(histogram + ((FIRST_LENGTH + code) << 2)) * lengthExtra(code)
  }
  for (let code: u32 = 4; code < 30; code++) {
    bits += load<u32>(histogram + DISTANCE_COUNTERS + (code << 2)) * distanceExtra(code)
  }
  return bits
}

function storedBits(size: u32): u32 {
  const padding = (8 - ((pendingCount + 3) & 7)) & 7
  const more = size === 0 ? 0 : (size - 1) / STORED_MAX
  return 3 + padding + 32 + more * 40 + (size << 3)
}

/** `final` is the bit that says so; the blocks are as large as they can be. */
export function putStored(from: usize, size: u32, final: u32): void {
  do {
    const now = min<u32>(size, STORED_MAX)
    size -= now
    putBits(size === 0 ? final : 0, 3)
    alignToByte()
    putBits(now | ((now ^ 0xffff) << 16), 32)
    putBytes(from, now)
    from += now
  } while (size > 0)
}

function prepareCodes(lengths: usize): void {
  assignCodes(lengths, LITERALS, CODES)
  assignCodes(lengths + LITERALS, DISTANCES, CODES + DISTANCE_COUNTERS)
  for (let length: u32 = 3; length <= 258; length++) {
    const code = lengthCode(length)
    const entry = load<u32>(CODES + ((FIRST_LENGTH + code) << 2))
    const size = entry >>> 16
    const bits = (entry & 0xffff) | ((length - lengthBase(code)) << size)
    store<u32>(LENGTH_CODES + (length << 2), ((size + lengthExtra(code)) << 24) | bits)
  }
}

/**
 * Writes literals and matches with the prepared codes. Each store is of 8 bytes: up to 7 bits that wait and
 * either three literals (45 bits) or a whole match (20 + 28 bits).
 */
function putSequences(sequences: usize, end: usize, from: usize): void {
  let at = cursor
  let bits = pending
  let count = pendingCount
  for (; sequences < end; sequences += 8) {
    const sequence = load<u64>(sequences)
    let literals = literalsOf(sequence)
    for (; literals >= 3; literals -= 3, from += 3) {
      const a = load<u32>(CODES + ((<u32>load<u8>(from)) << 2))
      const b = load<u32>(CODES + ((<u32>load<u8>(from, 1)) << 2))
      const c = load<u32>(CODES + ((<u32>load<u8>(from, 2)) << 2))
      bits |= (<u64>(a & 0xffff)) << count
      count += a >>> 16
      bits |= (<u64>(b & 0xffff)) << count
      count += b >>> 16
      bits |= (<u64>(c & 0xffff)) << count
      count += c >>> 16
      store<u64>(at, bits)
      at += count >>> 3
      bits >>>= count & 56
      count &= 7
    }
    for (; literals > 0; literals--, from++) {
      const entry = load<u32>(CODES + ((<u32>load<u8>(from)) << 2))
      bits |= (<u64>(entry & 0xffff)) << count
      count += entry >>> 16
    }
    store<u64>(at, bits)
    at += count >>> 3
    bits >>>= count & 56
    count &= 7
    const length = lengthOf(sequence)
    if (length === 0) continue
    from += length
    const distance = distanceOf(sequence)
    const entry = load<u32>(LENGTH_CODES + (length << 2))
    bits |= (<u64>(entry & 0xffffff)) << count
    count += entry >>> 24
    const code = distanceCode(distance)
    const prefix = load<u32>(CODES + DISTANCE_COUNTERS + (code << 2))
    bits |= (<u64>(prefix & 0xffff)) << count
    count += prefix >>> 16
    const extra = distanceExtra(code)
    bits |= (<u64>((distance - 1) & ((1 << extra) - 1))) << count
    count += extra
    store<u64>(at, bits)
    at += count >>> 3
    bits >>>= count & 56
    count &= 7
  }
  setOutput(at, bits, count)
}

function putCoded(lengths: usize, sequences: usize, end: usize, from: usize): void {
  prepareCodes(lengths)
  putSequences(sequences, end, from)
  const entry = load<u32>(CODES + (END_OF_BLOCK << 2))
  putBits(entry & 0xffff, entry >>> 16)
}

/**
 * Writes one block in the form that is smallest: stored, fixed or dynamic codes.
 * `histogram` counts the symbols of the sequences in [sequences, end), which stand for `size` bytes at `from`.
 */
export function putBlock(
  histogram: usize,
  sequences: usize,
  end: usize,
  from: usize,
  size: u32,
  final: u32,
): void {
  store<u32>(histogram + (END_OF_BLOCK << 2), 1)
  codeLengths(histogram, LITERALS, 15, DYNAMIC_LENGTHS)
  codeLengths(histogram + DISTANCE_COUNTERS, DISTANCES, 15, DYNAMIC_LENGTHS + LITERALS)
  const extra = extraBitsOf(histogram)
  const dynamicBits =
    3 + planHeader(DYNAMIC_LENGTHS, DYNAMIC_LENGTHS + LITERALS) + bodyBits(histogram, DYNAMIC_LENGTHS) + extra
  const fixedBits = 3 + bodyBits(histogram, FIXED_LENGTHS) + extra
  if (storedBits(size) <= min<u32>(dynamicBits, fixedBits)) {
    putStored(from, size, final | (STORED << 1))
  } else if (fixedBits <= dynamicBits) {
    putBits(final | (FIXED << 1), 3)
    putCoded(FIXED_LENGTHS, sequences, end, from)
  } else {
    putBits(final | (DYNAMIC << 1), 3)
    putHeader()
    putCoded(DYNAMIC_LENGTHS, sequences, end, from)
  }
}

/** An empty stored block: brings the output to a byte border, so that another block's can follow it. */
export function putJoint(): void {
  putStored(0, 0, 0)
}
