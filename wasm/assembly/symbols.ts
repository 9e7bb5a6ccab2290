/** The alphabets of RFC 1951 section 3.2.5: 286 literal and length symbols (288 with padding), 30 distance symbols. */
export const LITERALS: u32 = 288
export const DISTANCES: u32 = 32
export const END_OF_BLOCK: u32 = 256
export const FIRST_LENGTH: u32 = 257

const LENGTH_CODE: usize = memory.data(272, 16)
const LENGTH_EXTRA: usize = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
])
const LENGTH_BASE: usize = memory.data<u16>([
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195,
  227, 258,
])

export function initSymbols(): void {
  for (let code: u32 = 0; code < 29; code++) {
    const base = lengthBase(code)
    const end = base + (1 << lengthExtra(code))
    for (let length = base; length < end && length <= 258; length++) store<u8>(LENGTH_CODE + length, <u8>code)
  }
}

/** Which of the 29 length codes stands for a match of `length` bytes. */
export function lengthCode(length: u32): u32 {
  return load<u8>(LENGTH_CODE + length)
}

export function lengthExtra(code: u32): u32 {
  return load<u8>(LENGTH_EXTRA + code)
}

export function lengthBase(code: u32): u32 {
  return load<u16>(LENGTH_BASE + (code << 1))
}

export function distanceCode(distance: u32): u32 {
  const value = distance - 1
  if (value < 4) return value
  const log = 31 - clz(value)
  return (log << 1) | ((value >>> (log - 1)) & 1)
}

export function distanceExtra(code: u32): u32 {
  return code < 4 ? 0 : (code >>> 1) - 1
}
