import { putBits } from './bit-writer'
import { assignCodes, codeLengths } from './huffman'

/** The order in which the lengths of the code length code are sent (RFC 1951 section 3.2.7). */
const ORDER: usize = memory.data<u8>([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15])
const CODE_SYMBOLS: u32 = 19

/** Both alphabets' lengths in a row, then the same run-length encoded as symbol | extra value << 8. */
const ROW: usize = memory.data(336, 16)
const RUNS: usize = memory.data(672, 16)
const COUNTS: usize = memory.data(80, 16)
const LENGTHS: usize = memory.data(32, 16)
const CODES: usize = memory.data(80, 16)

let literals: u32 = 0
let distances: u32 = 0
let sent: u32 = 0
let runs: u32 = 0

function extraBits(symbol: u32): u32 {
  return symbol < 16 ? 0 : symbol === 16 ? 2 : symbol === 17 ? 3 : 7
}

function pushRun(symbol: u32, value: u32): void {
  store<u16>(RUNS + (runs << 1), <u16>(symbol | (value << 8)))
  runs++
  const counter = COUNTS + (symbol << 2)
  store<u32>(counter, load<u32>(counter) + 1)
}

function pushZeros(count: u32): void {
  while (count >= 11) {
    const now = min<u32>(count, 138)
    pushRun(18, now - 11)
    count -= now
  }
  if (count >= 3) {
    pushRun(17, count - 3)
    count = 0
  }
  for (; count > 0; count--) pushRun(0, 0)
}

function pushLengths(length: u32, count: u32): void {
  pushRun(length, 0)
  count--
  while (count >= 3) {
    const now = min<u32>(count, 6)
    pushRun(16, now - 3)
    count -= now
  }
  for (; count > 0; count--) pushRun(length, 0)
}

function encodeRuns(size: u32): void {
  runs = 0
  memory.fill(COUNTS, 0, 80)
  for (let at: u32 = 0; at < size; ) {
    const length = <u32>load<u8>(ROW + at)
    let count: u32 = 1
    while (at + count < size && load<u8>(ROW + at + count) === length) count++
    if (length === 0) pushZeros(count)
    else pushLengths(length, count)
    at += count
  }
}

function usedSize(lengths: usize, size: u32, least: u32): u32 {
  while (size > least && load<u8>(lengths + size - 1) === 0) size--
  return size
}

/** Prepares the header of a dynamic block for these code lengths; returns its size in bits. */
export function planHeader(literalLengths: usize, distanceLengths: usize): u32 {
  literals = usedSize(literalLengths, 286, 257)
  distances = usedSize(distanceLengths, 30, 1)
  memory.copy(ROW, literalLengths, literals)
  memory.copy(ROW + literals, distanceLengths, distances)
  encodeRuns(literals + distances)
  codeLengths(COUNTS, CODE_SYMBOLS, 7, LENGTHS)
  sent = CODE_SYMBOLS
  while (sent > 4 && load<u8>(LENGTHS + load<u8>(ORDER + sent - 1)) === 0) sent--
  let bits: u32 = 14 + sent * 3
  for (let symbol: u32 = 0; symbol < CODE_SYMBOLS; symbol++) {
    bits += load<u32>(COUNTS + (symbol << 2)) * (load<u8>(LENGTHS + symbol) + extraBits(symbol))
  }
  return bits
}

/** Writes the header that `planHeader` prepared. */
export function putHeader(): void {
  putBits((literals - 257) | ((distances - 1) << 5) | ((sent - 4) << 10), 14)
  for (let i: u32 = 0; i < sent; i++) putBits(load<u8>(LENGTHS + load<u8>(ORDER + i)), 3)
  assignCodes(LENGTHS, CODE_SYMBOLS, CODES)
  for (let i: u32 = 0; i < runs; i++) {
    const run = <u32>load<u16>(RUNS + (i << 1))
    const symbol = run & 255
    const code = load<u32>(CODES + (symbol << 2))
    putBits(code & 0xffff, code >>> 16)
    putBits(run >>> 8, extraBits(symbol))
  }
}
