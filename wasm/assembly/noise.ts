import { byteEntropy } from './histogram'
import { enterSparsely, keepPositions, repeats, STRIDE } from './match-finder'

/** How much is judged at once. */
const SEGMENT: usize = 16384
/** With fewer bytes the count says nothing. */
const LEAST: usize = 4096
/**
 * In 1/65536 bits: what N random bytes lack of 8 N bits is 255 / (2 ln 2) bits, whatever N is; codes could save 1/512
 * of the rest, which is not worth the time.
 */
const LACKING: u64 = 184 << 16
const REPEATS_MAX: u32 = 2
/** One position in SPARSE is entered, so one in as many in a row finds what is there before. */
const SPARSE: usize = 4
const PROBE_STEP: usize = 128

let nextLook: usize = 0

export function resetNoise(): void {
  nextLook = 0
}

function isRandom(at: usize, size: usize): bool {
  const full = (<u64>size) << 19
  return byteEntropy(at, size) + LACKING + (full >>> 9) >= full
}

function isNew(at: usize, size: usize): bool {
  let seen: u32 = 0
  for (const end = at + size - PROBE_STEP; at < end; at += PROBE_STEP) {
    for (let i: usize = 0; i < SPARSE; i++) {
      if (repeats(at + i) && ++seen === REPEATS_MAX) return false
    }
  }
  return true
}

/**
 * Goes over bytes that look random and repeat nothing before them, such as those of compressed files, many times as
 * fast as a search for matches. Returns where they end; what repeats them is found all the same.
 */
export function passNoise(at: usize, end: usize): usize {
  if (at < nextLook) return at
  while (end - at >= LEAST) {
    const size = min<usize>(SEGMENT, end - at)
    keepPositions(at)
    if (!isRandom(at, size) || !isNew(at, size)) break
    for (let done: usize = 0; done < size; done += STRIDE) {
      keepPositions(at + done)
      enterSparsely(at + done, min<usize>(STRIDE, size - done), SPARSE)
    }
    at += size
  }
  nextLook = at + SEGMENT
  return at
}
