import { DISTANCES, LITERALS } from './symbols'

/** A histogram: 288 counters of literal and length symbols, then 32 of distance symbols, 32 bits each. */
export const HISTOGRAM_SIZE: u32 = 1280
export const DISTANCE_COUNTERS: u32 = 1152

/** Four counts of bytes side by side: equal bytes in a row need not wait for each other. */
const BYTES: usize = memory.data(4096, 64)

/** log2(i) * 65536 for i < 4096. */
const LOG2: usize = memory.data(16384, 64)

/** Binary logarithms by repeated squaring: integers only, so that every machine gets the same ones. */
export function initHistogram(): void {
  for (let i: u32 = 1; i < 4096; i++) {
    const whole = 31 - clz(i)
    let mantissa = ((<u64>i) << 31) >>> whole
    let log = whole
    for (let bit = 0; bit < 16; bit++) {
      mantissa = (mantissa * mantissa) >>> 31
      const carry = <u32>(mantissa >>> 32)
      mantissa >>>= carry
      log = (log << 1) | carry
    }
    store<u32>(LOG2 + (i << 2), log)
  }
}

function log2(value: u32): u64 {
  if (value < 4096) return load<u32>(LOG2 + (value << 2))
  const shift = 20 - clz(value)
  return load<u32>(LOG2 + ((value >>> shift) << 2)) + (shift << 16)
}

function alphabetEntropy(counters: usize, size: u32): u64 {
  let total: u32 = 0
  let sum: u64 = 0
  for (const end = counters + (size << 2); counters < end; counters += 4) {
    const count = load<u32>(counters)
    if (count === 0) continue
    total += count
    sum += count * log2(count)
  }
  return total * log2(total) - sum
}

/** What an ideal entropy coder would need for these counts, in 1/65536 bits. */
export function entropy(histogram: usize): u64 {
  return alphabetEntropy(histogram, LITERALS) + alphabetEntropy(histogram + DISTANCE_COUNTERS, DISTANCES)
}

/** The same for the bytes at `from`, four at least, as they are. */
export function byteEntropy(from: usize, size: usize): u64 {
  memory.fill(BYTES, 0, 4096)
  for (const end = from + (size & ~3); from < end; from += 4) {
    const word = load<u32>(from)
    countByte(BYTES + ((word & 255) << 2))
    countByte(BYTES + 1024 + (((word >>> 8) & 255) << 2))
    countByte(BYTES + 2048 + (((word >>> 16) & 255) << 2))
    countByte(BYTES + 3072 + ((word >>> 24) << 2))
  }
  for (let at = BYTES; at < BYTES + 1024; at += 16) {
    const sum = i32x4.add(v128.load(at), v128.load(at, 1024))
    v128.store(at, i32x4.add(sum, i32x4.add(v128.load(at, 2048), v128.load(at, 3072))))
  }
  return alphabetEntropy(BYTES, 256)
}

function countByte(counter: usize): void {
  store<u32>(counter, load<u32>(counter) + 1)
}

export function addHistograms(target: usize, a: usize, b: usize): void {
  for (let at: u32 = 0; at < HISTOGRAM_SIZE; at += 16) {
    v128.store(target + at, i32x4.add(v128.load(a + at), v128.load(b + at)))
  }
}
