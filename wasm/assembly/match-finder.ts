import { WINDOW } from './memory'

/**
 * Positions are 16-bit numbers relative to `origin`, which moves up as the block goes by: a table of half the size
 * stays in the processor's cache. FAR marks "none" and what has fallen out of reach.
 *
 * HEAD holds the last position of each 4-byte hash (or the last two, for `findRecent`), HEAD3 the last of each
 * 3-byte hash, CHAIN the position before each position with the same 4-byte hash.
 */
const REACH: usize = 32768
/** How far positions may go on after `keepPositions` without another call. */
export const STRIDE: usize = 1024
const STEP: usize = REACH - STRIDE
/** Three literals are cheaper than a match of three bytes from farther away. */
const FAR_FOR_THREE: u32 = 4096
const FAR: i16 = -32768
const HEAD: usize = memory.data(262144, 64)
const HEAD3: usize = HEAD + 131072
const CHAIN: usize = HEAD + 196608
const HEAD_SIZE: u32 = 131072
const TABLES_SIZE: u32 = 262144
const MULTIPLIER: u32 = 0x9e3779b1

let origin: usize = 0
let tablesSize: u32 = 0
/** How many more candidates each one that is better makes worth a look. */
let patience: u32 = 0

export function setPatience(candidates: u32): void {
  patience = candidates
}

/** Forgets everything. Needed before each block: what came before must not influence the bytes. */
export function resetMatches(withChains: bool): void {
  origin = WINDOW
  tablesSize = withChains ? TABLES_SIZE : HEAD_SIZE
  const none = i16x8.splat(FAR)
  for (let at: u32 = 0; at < tablesSize; at += 16) v128.store(HEAD + at, none)
}

function rebase(): void {
  const step = i16x8.splat(-(<i16>STEP))
  for (let at: u32 = 0; at < tablesSize; at += 16) {
    v128.store(HEAD + at, i16x8.add_sat_s(v128.load(HEAD + at), step))
  }
  origin += STEP
}

/** To be called with the next position whenever STRIDE more may have gone by. */
export function keepPositions(pointer: usize): void {
  if (pointer - origin >= STEP) rebase()
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

/** Goes along the chain from `match` on for a match longer than that of `best`. */
function follow(match: usize, pointer: usize, best: u32, limit: u32, nice: u32, depth: u32): u32 {
  const word = load<u32>(pointer)
  const base = origin
  const lowest = pointer - REACH
  let longest = best >>> 16
  // A longer match must agree in the four bytes that end one past the longest so far: one load rejects most.
  let probe: u32 = longest > 3 ? longest - 3 : 0
  let wanted = load<u32>(pointer + probe)
  do {
    if (load<u32>(match + probe) === wanted) {
      if (load<u32>(match) === word) {
        const length = equalLength(pointer, match, 4, limit)
        if (length > longest) {
          longest = length
          best = (length << 16) | <u32>(pointer - match)
          if (length >= nice) break
          depth += patience
          probe = length - 3
          wanted = load<u32>(pointer + probe)
        }
      }
    }
    if (--depth === 0) break
    match = base + <i32>load<i16>(CHAIN + ((match & 32767) << 1))
  } while (<isize>match > <isize>lowest)
  return best
}

/**
 * Enters the position and returns the longest earlier match there, as length << 16 | distance, or 0. Reads 4 bytes
 * at `pointer`. Looks at no more than `depth` candidates.
 */
export function findLongest(pointer: usize, limit: u32, nice: u32, depth: u32): u32 {
  const base = origin
  const at = pointer - base
  const word = load<u32>(pointer)
  const slot = HEAD + (((word * MULTIPLIER) >>> 16) << 1)
  const slot3 = HEAD3 + ((((word << 8) * MULTIPLIER) >>> 17) << 1)
  const match = base + <i32>load<i16>(slot)
  const match3 = base + <i32>load<i16>(slot3)
  store<i16>(slot3, <i16>at)
  store<i16>(slot, <i16>at)
  store<i16>(CHAIN + ((pointer & 32767) << 1), <i16>(match - base))
  if (<isize>match > <isize>(pointer - REACH)) {
    const best = follow(match, pointer, 0, limit, nice, depth)
    if (best !== 0) return best
  }
  const distance = <u32>(pointer - match3)
  if (distance <= FAR_FOR_THREE) {
    if (((load<u32>(match3) ^ word) & 0xffffff) === 0) return (3 << 16) | distance
  }
  return 0
}

/** The same for a match longer than `longest`, which is 3 at least, or 0. */
export function findLonger(pointer: usize, longest: u32, limit: u32, nice: u32, depth: u32): u32 {
  const base = origin
  const at = pointer - base
  const word = load<u32>(pointer)
  const slot = HEAD + (((word * MULTIPLIER) >>> 16) << 1)
  const match = base + <i32>load<i16>(slot)
  store<i16>(HEAD3 + ((((word << 8) * MULTIPLIER) >>> 17) << 1), <i16>at)
  store<i16>(slot, <i16>at)
  store<i16>(CHAIN + ((pointer & 32767) << 1), <i16>(match - base))
  if (<isize>match <= <isize>(pointer - REACH)) return 0
  const found = follow(match, pointer, longest << 16, limit, nice, depth)
  return (found & 0xffff) === 0 ? 0 : found
}

/** Enters the `count` positions from `pointer` on, at most STRIDE, without a search. */
export function enter(pointer: usize, count: u32): void {
  const base = origin
  for (const end = pointer + count; pointer < end; pointer++) {
    const at = pointer - base
    const word = load<u32>(pointer)
    const slot = HEAD + (((word * MULTIPLIER) >>> 16) << 1)
    store<i16>(CHAIN + ((pointer & 32767) << 1), load<i16>(slot))
    store<i16>(slot, <i16>at)
    store<i16>(HEAD3 + ((((word << 8) * MULTIPLIER) >>> 17) << 1), <i16>at)
  }
}

/** The same as `findLongest` for the fastest level: the two last positions of the hash are all there is. */
export function findRecent(pointer: usize, limit: u32): u32 {
  const at = <i32>(pointer - origin)
  const word = load<u32>(pointer)
  const slot = HEAD + (((word * MULTIPLIER) >>> 17) << 2)
  const pair = load<u32>(slot)
  store<u32>(slot, (pair << 16) | (at & 0xffff))

  const cutoff = at - <i32>REACH
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
  const base = origin
  for (const end = pointer + count; pointer < end; pointer++) {
    const at = <i32>(pointer - base)
    const slot = HEAD + (((load<u32>(pointer) * MULTIPLIER) >>> 17) << 2)
    store<u32>(slot, (load<u32>(slot) << 16) | (at & 0xffff))
  }
}

/** Enters one of every `step` positions from `pointer` on, for either search. */
export function enterSparsely(pointer: usize, count: usize, step: usize): void {
  const withChains = tablesSize === TABLES_SIZE
  for (const end = pointer + count; pointer < end; pointer += step) {
    if (withChains) enter(pointer, 1)
    else enterRecent(pointer, 1)
  }
}

/** Whether the 8 bytes at `pointer` are those of the last position with the same hash. */
export function repeats(pointer: usize): bool {
  const hash = load<u32>(pointer) * MULTIPLIER
  const slot = tablesSize === TABLES_SIZE ? HEAD + ((hash >>> 16) << 1) : HEAD + ((hash >>> 17) << 2)
  const match = origin + <i32>load<i16>(slot)
  if (<isize>match <= <isize>(pointer - REACH)) return false
  return load<u64>(match) === load<u64>(pointer)
}
