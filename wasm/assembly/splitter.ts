import { putBlock, putStored } from './block'
import { addHistograms, DISTANCE_COUNTERS, entropy, HISTOGRAM_SIZE } from './histogram'
import { endOfSequences, firstSequence, pushSequence, resetSequences } from './sequences'
import { distanceCode, FIRST_LENGTH, lengthCode } from './symbols'

/**
 * Decides where one block ends and the next, with codes of its own, begins. Symbols are counted in pieces; a
 * piece joins the block before it unless two separate codes would be cheaper by more than a header costs.
 */
export const PIECE: i32 = 1024
const HEADER_COST: u64 = 700 << 16

const PIECE_COUNTS: usize = memory.data(1280, 16)
const BLOCK_COUNTS: usize = memory.data(1280, 16)
const JOINED_COUNTS: usize = memory.data(1280, 16)

let blockEntropy: u64 = 0
let blockIsEmpty: bool = true
let blockSequences: usize = 0
let blockStart: usize = 0
let pieceSequences: usize = 0
let pieceStart: usize = 0

export function beginBlocks(from: usize): void {
  resetSequences()
  memory.fill(PIECE_COUNTS, 0, HISTOGRAM_SIZE)
  memory.fill(BLOCK_COUNTS, 0, HISTOGRAM_SIZE)
  blockIsEmpty = true
  blockSequences = firstSequence()
  pieceSequences = blockSequences
  blockStart = from
  pieceStart = from
}

function count(counter: usize): void {
  store<u32>(counter, load<u32>(counter) + 1)
}

export function countLiteral(byte: u32): void {
  count(PIECE_COUNTS + (byte << 2))
}

/** A match after `literals` literals, which have been counted. */
export function addMatch(literals: u32, length: u32, distance: u32): void {
  pushSequence(literals, length, distance)
  count(PIECE_COUNTS + ((FIRST_LENGTH + lengthCode(length)) << 2))
  count(PIECE_COUNTS + DISTANCE_COUNTERS + (distanceCode(distance) << 2))
}

/**
 * Takes in what was added since the last call, up to the position `at`; `literals` come after the last match. Returns
 * whether codes make it hardly smaller.
 */
export function endPiece(at: usize, literals: u32): bool {
  if (literals > 0) pushSequence(literals, 0, 0)
  const pieceEntropy = entropy(PIECE_COUNTS)
  addHistograms(JOINED_COUNTS, BLOCK_COUNTS, PIECE_COUNTS)
  const joinedEntropy = entropy(JOINED_COUNTS)
  if (!blockIsEmpty && blockEntropy + pieceEntropy + HEADER_COST < joinedEntropy) {
    putBlock(BLOCK_COUNTS, blockSequences, pieceSequences, blockStart, <u32>(pieceStart - blockStart), 0)
    blockSequences = pieceSequences
    blockStart = pieceStart
    memory.copy(BLOCK_COUNTS, PIECE_COUNTS, HISTOGRAM_SIZE)
    blockEntropy = pieceEntropy
  } else {
    memory.copy(BLOCK_COUNTS, JOINED_COUNTS, HISTOGRAM_SIZE)
    blockEntropy = joinedEntropy
  }
  blockIsEmpty = false
  memory.fill(PIECE_COUNTS, 0, HISTOGRAM_SIZE)
  pieceSequences = endOfSequences()
  const full = (<u64>(at - pieceStart)) << 19
  pieceStart = at
  return pieceEntropy > full - (full >>> 4)
}

/** After `endPiece`: ends the block, and stores the bytes from there up to `to` as they are. */
export function putNoise(to: usize): void {
  const from = pieceStart
  endBlocks(from, 0)
  putStored(from, <u32>(to - from), 0)
  beginBlocks(to)
}

/** Writes the last block, which may be empty only if it is the final one. */
export function endBlocks(at: usize, final: u32): void {
  if (blockIsEmpty && !final) return
  putBlock(BLOCK_COUNTS, blockSequences, pieceSequences, blockStart, <u32>(at - blockStart), final)
}
