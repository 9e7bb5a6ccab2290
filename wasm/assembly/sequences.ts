/**
 * What the parser found, in order: some literals, then a match (or none: length 0), packed in 64 bits as
 * literals | length << 21 | distance << 30. A sequence covers 3 bytes at least, or ends one of the at most
 * 1025 pieces between which blocks can be split.
 */
const SEQUENCES: usize = memory.data(2804736, 64)

let end: usize = SEQUENCES

export function resetSequences(): void {
  end = SEQUENCES
}

export function firstSequence(): usize {
  return SEQUENCES
}

export function endOfSequences(): usize {
  return end
}

export function pushSequence(literals: u32, length: u32, distance: u32): void {
  store<u64>(end, <u64>literals | ((<u64>length) << 21) | ((<u64>distance) << 30))
  end += 8
}

export function literalsOf(sequence: u64): u32 {
  return <u32>sequence & 0x1fffff
}

export function lengthOf(sequence: u64): u32 {
  return <u32>(sequence >>> 21) & 0x1ff
}

export function distanceOf(sequence: u64): u32 {
  return <u32>(sequence >>> 30)
}
