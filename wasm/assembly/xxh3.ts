import { BLOCK_MAX, WINDOW } from './memory'

/**
 * XXH3, 128 bits, seed 0 and the default secret, as the xxHash specification (doc/xxhash_spec.md) defines it.
 * Input arrives at INPUT; the 64 bytes before it keep the end of what went by, which the last stripe may need.
 */
const INPUT: usize = WINDOW + 64
const STRIPE: u32 = 64
const BLOCK: u32 = 1024
const SECRET_SIZE: u32 = 192
const SHORT_MAX: u32 = 240

const PRIME32_1: u64 = 0x9e3779b1
const PRIME32_2: u64 = 0x85ebca77
const PRIME32_3: u64 = 0xc2b2ae3d
const PRIME64_1: u64 = 0x9e3779b185ebca87
const PRIME64_2: u64 = 0xc2b2ae3d27d4eb4f
const PRIME64_3: u64 = 0x165667b19e3779f9
const PRIME64_4: u64 = 0x85ebca77c2b2ae63
const PRIME64_5: u64 = 0x27d4eb2f165667c5

const SECRET: usize = memory.data<u8>([
  0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad, 0x1c, 0xde, 0xd4,
  0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f, 0xcb, 0x79, 0xe6, 0x4e,
  0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21, 0xb8, 0x08, 0x46, 0x74, 0xf7, 0x43,
  0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6, 0x81, 0x3a, 0x26, 0x4c, 0x3c, 0x28, 0x52, 0xbb, 0x91, 0xc3, 0x00, 0xcb,
  0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e, 0xa3, 0x71, 0x64, 0x48, 0x97, 0xa2, 0x0d, 0xf9, 0x4e, 0x38, 0x19,
  0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8, 0xa8, 0xfa, 0x76, 0x3f, 0xe3, 0x9c, 0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7,
  0xc7, 0x0b, 0x4f, 0x1d, 0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59, 0x31, 0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78,
  0x73, 0x64, 0xea, 0xc5, 0xac, 0x83, 0x34, 0xd3, 0xeb, 0xc3, 0xc5, 0x81, 0xa0, 0xff, 0xfa, 0x13, 0x63, 0xeb,
  0x17, 0x0d, 0xdd, 0x51, 0xb7, 0xf0, 0xda, 0x49, 0xd3, 0x16, 0x55, 0x26, 0x29, 0xd4, 0x68, 0x9e, 0x2b, 0x16,
  0xbe, 0x58, 0x7d, 0x47, 0xa1, 0xfc, 0x8f, 0xf8, 0xb8, 0xd1, 0x7a, 0xd0, 0x31, 0xce, 0x45, 0xcb, 0x3a, 0x8f,
  0x95, 0x16, 0x04, 0x28, 0xaf, 0xd7, 0xfb, 0xca, 0xbb, 0x4b, 0x40, 0x7e,
])
const ACCUMULATORS: usize = memory.data(64, 16)
const DIGEST: usize = memory.data(16, 16)

let consumed: u64 = 0
let low: u64 = 0
let high: u64 = 0

function secret(offset: u32): u64 {
  return load<u64>(SECRET + offset)
}

function multiplyHigh(a: u64, b: u64): u64 {
  const a0 = a & 0xffffffff
  const a1 = a >>> 32
  const b0 = b & 0xffffffff
  const b1 = b >>> 32
  const middle = a1 * b0 + ((a0 * b0) >>> 32)
  const cross = a0 * b1 + (middle & 0xffffffff)
  return a1 * b1 + (middle >>> 32) + (cross >>> 32)
}

function multiplyFold(a: u64, b: u64): u64 {
  return (a * b) ^ multiplyHigh(a, b)
}

function avalanche(value: u64): u64 {
  value = (value ^ (value >>> 37)) * 0x165667919e3779f9
  return value ^ (value >>> 32)
}

/** The finaliser of XXH64, which the shortest inputs use. */
function avalanche64(value: u64): u64 {
  value = (value ^ (value >>> 33)) * PRIME64_2
  value = (value ^ (value >>> 29)) * PRIME64_3
  return value ^ (value >>> 32)
}

function hash0(): void {
  low = avalanche64(secret(64) ^ secret(72))
  high = avalanche64(secret(80) ^ secret(88))
}

function hash1to3(length: u32): void {
  const first = <u32>load<u8>(INPUT)
  const middle = <u32>load<u8>(INPUT + (length >>> 1))
  const last = <u32>load<u8>(INPUT + length - 1)
  const combined = (first << 16) | (middle << 24) | last | (length << 8)
  const swapped = rotl<u32>(bswap<u32>(combined), 13)
  low = avalanche64(<u64>combined ^ <u64>(load<u32>(SECRET) ^ load<u32>(SECRET, 4)))
  high = avalanche64(<u64>swapped ^ <u64>(load<u32>(SECRET, 8) ^ load<u32>(SECRET, 12)))
}

function hash4to8(length: u32): void {
  const input = <u64>load<u32>(INPUT) | ((<u64>load<u32>(INPUT + length - 4)) << 32)
  const keyed = input ^ secret(16) ^ secret(24)
  const factor = PRIME64_1 + ((<u64>length) << 2)
  const product = keyed * factor
  const top = multiplyHigh(keyed, factor) + (product << 1)
  let bottom = product ^ (top >>> 3)
  bottom = (bottom ^ (bottom >>> 35)) * 0x9fb21c651e98df25
  low = bottom ^ (bottom >>> 28)
  high = avalanche(top)
}

function hash9to16(length: u32): void {
  const first = load<u64>(INPUT)
  const last = load<u64>(INPUT + length - 8)
  const keyed = first ^ last ^ secret(32) ^ secret(40)
  let bottom = keyed * PRIME64_1 + ((<u64>(length - 1)) << 54)
  const turned = last ^ secret(48) ^ secret(56)
  const top = multiplyHigh(keyed, PRIME64_1) + turned + (turned & 0xffffffff) * (PRIME32_2 - 1)
  bottom ^= bswap<u64>(top)
  low = avalanche(bottom * PRIME64_2)
  high = avalanche(multiplyHigh(bottom, PRIME64_2) + top * PRIME64_2)
}

function mix16(input: usize, offset: u32): u64 {
  return multiplyFold(load<u64>(input) ^ secret(offset), load<u64>(input, 8) ^ secret(offset + 8))
}

function mix32(a: usize, b: usize, offset: u32): void {
  low = (low + mix16(a, offset)) ^ (load<u64>(b) + load<u64>(b, 8))
  high = (high + mix16(b, offset + 16)) ^ (load<u64>(a) + load<u64>(a, 8))
}

function finishMiddle(length: u32): void {
  const bottom = low + high
  const top = low * PRIME64_1 + high * PRIME64_4 + <u64>length * PRIME64_2
  low = avalanche(bottom)
  high = 0 - avalanche(top)
}

function hash17to128(length: u32): void {
  const end = INPUT + length
  low = <u64>length * PRIME64_1
  high = 0
  if (length > 96) mix32(INPUT + 48, end - 64, 96)
  if (length > 64) mix32(INPUT + 32, end - 48, 64)
  if (length > 32) mix32(INPUT + 16, end - 32, 32)
  mix32(INPUT, end - 16, 0)
  finishMiddle(length)
}

function hash129to240(length: u32): void {
  low = <u64>length * PRIME64_1
  high = 0
  for (let i: u32 = 32; i < 160; i += 32) mix32(INPUT + i - 32, INPUT + i - 16, i - 32)
  low = avalanche(low)
  high = avalanche(high)
  for (let i: u32 = 160; i <= length; i += 32) mix32(INPUT + i - 32, INPUT + i - 16, i - 157)
  mix32(INPUT + length - 16, INPUT + length - 32, 103)
  finishMiddle(length)
}

function hashShort(length: u32): void {
  if (length === 0) hash0()
  else if (length < 4) hash1to3(length)
  else if (length < 9) hash4to8(length)
  else if (length < 17) hash9to16(length)
  else if (length < 129) hash17to128(length)
  else hash129to240(length)
}

function mixLanes(accumulator: v128, data: v128, key: v128): v128 {
  const keyed = v128.xor(data, key)
  const lows = v128.shuffle<i32>(keyed, keyed, 0, 2, 0, 2)
  const highs = v128.shuffle<i32>(keyed, keyed, 1, 3, 1, 3)
  const swapped = v128.shuffle<i64>(data, data, 1, 0)
  return i64x2.add(i64x2.add(accumulator, swapped), i64x2.extmul_low_i32x4_u(lows, highs))
}

function accumulate(input: usize, stripes: u32, key: usize): void {
  let a = v128.load(ACCUMULATORS)
  let b = v128.load(ACCUMULATORS, 16)
  let c = v128.load(ACCUMULATORS, 32)
  let d = v128.load(ACCUMULATORS, 48)
  for (; stripes > 0; stripes--, input += STRIPE, key += 8) {
    a = mixLanes(a, v128.load(input), v128.load(key))
    b = mixLanes(b, v128.load(input, 16), v128.load(key, 16))
    c = mixLanes(c, v128.load(input, 32), v128.load(key, 32))
    d = mixLanes(d, v128.load(input, 48), v128.load(key, 48))
  }
  v128.store(ACCUMULATORS, a)
  v128.store(ACCUMULATORS, b, 16)
  v128.store(ACCUMULATORS, c, 32)
  v128.store(ACCUMULATORS, d, 48)
}

function scramble(): void {
  const prime = i64x2.splat(PRIME32_1)
  for (let at: u32 = 0; at < 64; at += 16) {
    const value = v128.load(ACCUMULATORS + at)
    const mixed = v128.xor(
      value,
      v128.xor(i64x2.shr_u(value, 47), v128.load(SECRET + (SECRET_SIZE - STRIPE) + at)),
    )
    v128.store(ACCUMULATORS + at, i64x2.mul(mixed, prime))
  }
}

function consumeBlocks(blocks: u32): void {
  let input = INPUT
  for (; blocks > 0; blocks--, input += BLOCK) {
    accumulate(input, BLOCK / STRIPE, SECRET)
    scramble()
  }
}

function mergeAccumulators(offset: u32, start: u64): u64 {
  let result = start
  for (let at: u32 = 0; at < 64; at += 16) {
    result += multiplyFold(
      load<u64>(ACCUMULATORS + at) ^ secret(offset + at),
      load<u64>(ACCUMULATORS + at, 8) ^ secret(offset + at + 8),
    )
  }
  return avalanche(result)
}

export function beginFingerprint(): void {
  consumed = 0
  store<u64>(ACCUMULATORS, PRIME32_3)
  store<u64>(ACCUMULATORS, PRIME64_1, 8)
  store<u64>(ACCUMULATORS, PRIME64_2, 16)
  store<u64>(ACCUMULATORS, PRIME64_3, 24)
  store<u64>(ACCUMULATORS, PRIME64_4, 32)
  store<u64>(ACCUMULATORS, PRIME32_2, 40)
  store<u64>(ACCUMULATORS, PRIME64_5, 48)
  store<u64>(ACCUMULATORS, PRIME32_1, 56)
}

export function fingerprintInput(): usize {
  return INPUT
}

/**
 * Takes in what is complete of the `length` bytes at INPUT (at most BLOCK_MAX); more must be to come. Returns how
 * many bytes are left, moved to INPUT: what follows goes behind them, and they count in the next `length`.
 */
export function updateFingerprint(length: u32): u32 {
  if (length === 0 || length > BLOCK_MAX) return 0
  const blocks = (length - 1) / BLOCK
  if (blocks === 0) return length
  consumeBlocks(blocks)
  const done = blocks * BLOCK
  consumed += done
  const left = length - done
  memory.copy(INPUT - STRIPE, INPUT + done - STRIPE, STRIPE + left)
  return left
}

function finishLong(length: u32): void {
  const blocks = (length - 1) / BLOCK
  consumeBlocks(blocks)
  const done = blocks * BLOCK
  accumulate(INPUT + done, (length - 1 - done) / STRIPE, SECRET)
  accumulate(INPUT + length - STRIPE, 1, SECRET + (SECRET_SIZE - STRIPE - 7))
  const total = consumed + length
  low = mergeAccumulators(11, total * PRIME64_1)
  high = mergeAccumulators(SECRET_SIZE - STRIPE - 11, ~(total * PRIME64_2))
}

/** Takes in the last `length` bytes at INPUT; returns the address of the digest's 16 bytes, in canonical order. */
export function finishFingerprint(length: u32): usize {
  if (consumed === 0 && length <= SHORT_MAX) hashShort(length)
  else finishLong(length)
  store<u64>(DIGEST, bswap<u64>(high))
  store<u64>(DIGEST, bswap<u64>(low), 8)
  return DIGEST
}
