import { WINDOW } from './memory'

/**
 * Positions are 16-bit numbers relative to `origin`, which moves up by 32768 as the block goes by: a table of
 * half the size stays in the processor's cache. FAR marks "none" and what has fallen out of reach.
 *
 * HEAD holds the last position of each 4-byte hash (or the last two, for `findRecent`), HEAD3 the last of each
 * 3-byte hash, CHAIN the position before each position with the same 4-byte hash.
 */
const REACH: i32 = 32768
const FAR: i16 = -32768
const HEAD: usize = memory.data(262144, 64)
const HEAD3: usize = HEAD + 131072
const CHAIN: usize = HEAD + 196608
const HEAD_SIZE: u32 = 131072
const TABLES_SIZE: u32 = 262144
const MULTIPLIER: u32 = 0x9e3779b1

let origin: usize = 0
let tablesSize: u32 = 0

/** Forgets everything. Needed before each block: what came before must not influence the bytes. */
export function resetMatches(withChains: bool): void {
  origin = WINDOW
  tablesSize = withChains ? TABLES_SIZE : HEAD_SIZE
  const none = i16x8.splat(FAR)
  for (let at: u32 = 0; at < tablesSize; at += 16) v128.store(HEAD + at, none)
}

function rebase(): void {
  const step = i16x8.splat(FAR)
  for (let at: u32 = 0; at < tablesSize; at += 16) {
    v128.store(HEAD + at, i16x8.add_sat_s(v128.load(HEAD + at), step))
  }
  origin += REACH
}

function position(pointer: usize): i32 {
  const relative = <i32>(pointer - origin)
  if (relative < REACH) return relative
  rebase()
  return 0
}

/** The number of equal bytes at `a` and `b`, at most `limit`, where the first `known` are equal for sure. */
function equalLength(a: usize, b: usize, known: u32, limit: u32): u32 {
  let length = known
  while (length < limit) {
    const difference = load<u64>(a + length) ^ load<u64>(b + length)
    if (difference !== 0) {
      length += <u32>(ctz(difference) >> 3)
      break
    }
    length += 8
  }
  return length < limit ? length : limit
}

/**
 * Enters the position and returns the longest earlier match that is longer than `longest`, as
 * length << 16 | distance, or 0. Reads 4 bytes at `pointer`. Looks at no more than `depth` candidates.
 */
export function findLongest(pointer: usize, longest: u32, limit: u32, nice: u32, depth: u32): u32 {
  const at = position(pointer)
  const base = origin
  const word = load<u32>(pointer)
  const slot = HEAD + (((word * MULTIPLIER) >>> 16) << 1)
  const slot3 = HEAD3 + ((((word << 8) * MULTIPLIER) >>> 17) << 1)
  const candidate3 = <i32>load<i16>(slot3)
  let candidate = <i32>load<i16>(slot)
  store<i16>(slot3, <i16>at)
  store<i16>(slot, <i16>at)
  store<i16>(CHAIN + (at << 1), <i16>candidate)

  const cutoff = at - REACH
  let distance: u32 = 0
  if (longest < 3 && candidate3 > cutoff) {
    const match = base + candidate3
    if (((load<u32>(match) ^ word) & 0xffffff) === 0) {
      longest = 3
      distance = <u32>(pointer - match)
    }
  }
  // A longer match must agree in the four bytes that end one past the longest so far: one load rejects most.
  let probe: u32 = longest > 3 ? longest - 3 : 0
  let wanted = load<u32>(pointer + probe)
  while (candidate > cutoff) {
    const match = base + candidate
    if (load<u32>(match + probe) === wanted && load<u32>(match) === word) {
      const length = equalLength(pointer, match, 4, limit)
      if (length > longest) {
        longest = length
        distance = <u32>(pointer - match)
        if (length >= nice) break
        probe = length - 3
        wanted = load<u32>(pointer + probe)
      }
    }
    if (--depth === 0) break
    candidate = <i32>load<i16>(CHAIN + ((candidate & 32767) << 1))
  }
  return distance === 0 ? 0 : (longest << 16) | distance
}

/** Enters the `count` positions from `pointer` on, without a search. */
export function enter(pointer: usize, count: u32): void {
  for (const end = pointer + count; pointer < end; pointer++) {
    const at = position(pointer)
    const word = load<u32>(pointer)
    const slot = HEAD + (((word * MULTIPLIER) >>> 16) << 1)
    store<i16>(CHAIN + (at << 1), load<i16>(slot))
    store<i16>(slot, <i16>at)
    store<i16>(HEAD3 + ((((word << 8) * MULTIPLIER) >>> 17) << 1), <i16>at)
  }
}

/** The same as `findLongest` for the fastest level: the two last positions of the hash are all there is. */
export function findRecent(pointer: usize, limit: u32): u32 {
  const at = position(pointer)
  const word = load<u32>(pointer)
  const slot = HEAD + (((word * MULTIPLIER) >>> 17) << 2)
  const pair = load<u32>(slot)
  store<u32>(slot, (pair << 16) | (at & 0xffff))

  const cutoff = at - REACH
  let longest: u32 = 0
  let distance: u32 = 0
  const first = <i32>(<i16>(pair & 0xffff))
  if (first > cutoff) {
    const match = origin + first
    if (load<u32>(match) === word) {
      longest = equalLength(pointer, match, 4, limit)
      distance = <u32>(pointer - match)
    }
    const second = <i32>pair >> 16
    if (second > cutoff) {
      const other = origin + second
      if (load<u32>(other) === word) {
        const length = equalLength(pointer, other, 4, limit)
        if (length > longest) {
          longest = length
          distance = <u32>(pointer - other)
        }
      }
    }
  }
  return (longest << 16) | distance
}

/** The same as `enter`, for `findRecent`. */
export function enterRecent(pointer: usize, count: u32): void {
  for (const end = pointer + count; pointer < end; pointer++) {
    const at = position(pointer)
    const slot = HEAD + (((load<u32>(pointer) * MULTIPLIER) >>> 17) << 2)
    store<u32>(slot, (load<u32>(slot) << 16) | (at & 0xffff))
  }
}
