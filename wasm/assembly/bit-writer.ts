import { OUTPUT } from './memory'

/** Where the next whole byte goes, and up to 7 bits that wait for it. */
export let cursor: usize = 0
export let pending: u64 = 0
export let pendingCount: u32 = 0

export function resetOutput(): void {
  cursor = OUTPUT
  pending = 0
  pendingCount = 0
}

/** At most 56 bits at once. */
export function putBits(value: u64, count: u32): void {
  pending |= value << pendingCount
  pendingCount += count
  store<u64>(cursor, pending)
  cursor += pendingCount >>> 3
  pending >>>= pendingCount & 56
  pendingCount &= 7
}

/** For loops that keep the state in locals. */
export function setOutput(at: usize, bits: u64, count: u32): void {
  cursor = at
  pending = bits
  pendingCount = count
}

export function alignToByte(): void {
  putBits(0, (8 - pendingCount) & 7)
}

export function putBytes(from: usize, count: u32): void {
  memory.copy(cursor, from, count)
  cursor += count
}
