/** Sorted keys (count << 9 | symbol), the scratch of the sort, and the tree that is built over the counts. */
const KEYS: usize = memory.data(1152, 16)
const SORT_SPARE: usize = memory.data(1152, 16)
const SORT_COUNTERS: usize = memory.data(4096, 16)
const TREE: usize = memory.data(1152, 16)
const LENGTH_COUNTS: usize = memory.data(128, 16)
const NEXT_CODE: usize = memory.data(128, 16)

/** One stable counting pass over ten bits of the keys. */
function sortPass(from: usize, to: usize, size: u32, shift: u32): void {
  memory.fill(SORT_COUNTERS, 0, 4096)
  for (let i: u32 = 0; i < size; i++) {
    const counter = SORT_COUNTERS + (((load<u32>(from + (i << 2)) >>> shift) & 1023) << 2)
    store<u32>(counter, load<u32>(counter) + 1)
  }
  let start: u32 = 0
  for (let i: u32 = 0; i < 4096; i += 4) {
    const count = load<u32>(SORT_COUNTERS + i)
    store<u32>(SORT_COUNTERS + i, start)
    start += count
  }
  for (let i: u32 = 0; i < size; i++) {
    const key = load<u32>(from + (i << 2))
    const counter = SORT_COUNTERS + (((key >>> shift) & 1023) << 2)
    const place = load<u32>(counter)
    store<u32>(counter, place + 1)
    store<u32>(to + (place << 2), key)
  }
}

/** Few keys are the rule for the smaller alphabets, where clearing 1024 counters twice costs more than this. */
function insertionSort(size: u32): void {
  for (let i: u32 = 1; i < size; i++) {
    const key = load<u32>(KEYS + (i << 2))
    let hole = i
    for (; hole > 0 && load<u32>(KEYS + ((hole - 1) << 2)) > key; hole--) {
      store<u32>(KEYS + (hole << 2), load<u32>(KEYS + ((hole - 1) << 2)))
    }
    store<u32>(KEYS + (hole << 2), key)
  }
}

/** Collects the symbols that occur, in ascending order of their counts. Returns how many there are. */
function sortSymbols(counts: usize, size: u32): u32 {
  let used: u32 = 0
  for (let symbol: u32 = 0; symbol < size; symbol++) {
    const count = load<u32>(counts + (symbol << 2))
    if (count === 0) continue
    store<u32>(KEYS + (used << 2), (count << 9) | symbol)
    used++
  }
  if (used <= 40) {
    insertionSort(used)
    return used
  }
  sortPass(KEYS, SORT_SPARE, used, 9)
  sortPass(SORT_SPARE, KEYS, used, 19)
  return used
}

function node(index: u32): u32 {
  return load<u32>(TREE + (index << 2))
}

function setNode(index: u32, value: u32): void {
  store<u32>(TREE + (index << 2), value)
}

/** Moffat and Katajainen, "In-place calculation of minimum-redundancy codes" (1995), first two phases. */
function buildTree(size: u32): void {
  for (let i: u32 = 0; i < size; i++) setNode(i, load<u32>(KEYS + (i << 2)) >>> 9)
  let leaf: u32 = 0
  let root: u32 = 0
  for (let next: u32 = 0; next < size - 1; next++) {
    let weight: u32 = 0
    for (let child = 0; child < 2; child++) {
      if (leaf >= size || (root < next && node(root) < node(leaf))) {
        weight += node(root)
        setNode(root++, next)
      } else {
        weight += node(leaf++)
      }
    }
    setNode(next, weight)
  }
  setNode(size - 2, 0)
  for (let next = <i32>size - 3; next >= 0; next--) setNode(next, node(node(next)) + 1)
}

/** How many codes have each length: the third phase, with depths beyond the limit held at it. */
function countLengths(size: u32, limit: u32): void {
  memory.fill(LENGTH_COUNTS, 0, 128)
  let available: u32 = 1
  let internal = <i32>size - 2
  for (let depth: u32 = 0; available > 0; depth++) {
    let used: u32 = 0
    while (internal >= 0 && node(internal) === depth) {
      used++
      internal--
    }
    const length = depth < limit ? depth : limit
    const counter = LENGTH_COUNTS + (length << 2)
    store<u32>(counter, load<u32>(counter) + available - used)
    available = used << 1
  }
}

/** Lengthens the cheapest codes until the Kraft sum, too large after the clamping, is 1 again. */
function repairLengths(limit: u32): void {
  let excess: i32 = -(1 << limit)
  for (let length: u32 = 1; length <= limit; length++) {
    excess += load<u32>(LENGTH_COUNTS + (length << 2)) << (limit - length)
  }
  while (excess > 0) {
    let length = limit - 1
    while (load<u32>(LENGTH_COUNTS + (length << 2)) === 0) length--
    const counter = LENGTH_COUNTS + (length << 2)
    store<u32>(counter, load<u32>(counter) - 1)
    store<u32>(counter, load<u32>(counter, 4) + 2, 4)
    store<u32>(LENGTH_COUNTS + (limit << 2), load<u32>(LENGTH_COUNTS + (limit << 2)) - 1)
    excess--
  }
}

/**
 * Writes a code length for each symbol (one byte each, 0 for a symbol that does not occur), at most `limit`.
 * There are always two codes at least: some decoders refuse an incomplete code.
 */
export function codeLengths(counts: usize, size: u32, limit: u32, lengths: usize): void {
  memory.fill(lengths, 0, size)
  const used = sortSymbols(counts, size)
  if (used < 2) {
    const symbol = used === 0 ? 0 : load<u32>(KEYS) & 511
    store<u8>(lengths + symbol, 1)
    store<u8>(lengths + (symbol === 0 ? 1 : 0), 1)
    return
  }
  buildTree(used)
  countLengths(used, limit)
  repairLengths(limit)
  let at: u32 = 0
  for (let length = limit; length > 0; length--) {
    for (let n = load<u32>(LENGTH_COUNTS + (length << 2)); n > 0; n--) {
      store<u8>(lengths + (load<u32>(KEYS + (at << 2)) & 511), <u8>length)
      at++
    }
  }
}

function reverse(code: u32, length: u32): u32 {
  let bits = ((code & 0x5555) << 1) | ((code >>> 1) & 0x5555)
  bits = ((bits & 0x3333) << 2) | ((bits >>> 2) & 0x3333)
  bits = ((bits & 0x0f0f) << 4) | ((bits >>> 4) & 0x0f0f)
  bits = ((bits & 0x00ff) << 8) | (bits >>> 8)
  return bits >>> (16 - length)
}

/** Turns lengths into canonical codes (RFC 1951 section 3.2.2), bit-reversed, as length << 16 | code. */
export function assignCodes(lengths: usize, size: u32, codes: usize): void {
  memory.fill(LENGTH_COUNTS, 0, 128)
  for (let symbol: u32 = 0; symbol < size; symbol++) {
    const counter = LENGTH_COUNTS + ((<u32>load<u8>(lengths + symbol)) << 2)
    store<u32>(counter, load<u32>(counter) + 1)
  }
  store<u32>(LENGTH_COUNTS, 0)
  let code: u32 = 0
  for (let length: u32 = 1; length <= 15; length++) {
    code = (code + load<u32>(LENGTH_COUNTS + ((length - 1) << 2))) << 1
    store<u32>(NEXT_CODE + (length << 2), code)
  }
  for (let symbol: u32 = 0; symbol < size; symbol++) {
    const length = <u32>load<u8>(lengths + symbol)
    if (length === 0) {
      store<u32>(codes + (symbol << 2), 0)
      continue
    }
    const next = NEXT_CODE + (length << 2)
    const value = load<u32>(next)
    store<u32>(next, value + 1)
    store<u32>(codes + (symbol << 2), (length << 16) | reverse(value, length))
  }
}
