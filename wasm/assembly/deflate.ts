import { alignToByte, cursor, resetOutput } from './bit-writer'
import { putJoint } from './block'
import {
  enter,
  enterRecent,
  findLonger,
  findLongest,
  findRecent,
  keepPositions,
  resetMatches,
  setPatience,
  STRIDE,
} from './match-finder'
import { BLOCK_MAX, DICTIONARY_MAX, OUTPUT, OUTPUT_SIZE, SLACK, WINDOW } from './memory'
import { passNoise, resetNoise } from './noise'
import { addMatch, beginBlocks, countLiteral, endBlocks, endPiece, PIECE, putNoise } from './splitter'

const LONGEST: u32 = 258
/** A search reads 4 bytes; the last 3 of a block are literals or belong to an earlier match. */
const SEARCHABLE: u32 = 4

const INVALID_ARGUMENT: i32 = -1

function reach(at: usize, end: usize): u32 {
  return min<u32>(<u32>(end - at), LONGEST)
}

function searchable(at: usize, count: u32, end: usize): u32 {
  const last = end - (SEARCHABLE - 1)
  return at >= last ? 0 : min<u32>(count, <u32>(last - at))
}

function log2(value: u32): i32 {
  return 31 - clz(value)
}

/** By how much the match `later` is better, four points a byte of length and one a bit of distance. */
function gain(later: u32, sooner: u32): i32 {
  return ((<i32>(later >>> 16) - <i32>(sooner >>> 16)) << 2) + (log2(sooner & 0xffff) - log2(later & 0xffff))
}

/** Ends a piece; returns where the next one starts, beyond what is not worth a search. */
function startPiece(at: usize, literals: u32, end: usize): usize {
  if (!endPiece(at, literals)) return at
  const to = passNoise(at, end)
  if (to > at) putNoise(to)
  return to
}

/**
 * Takes a match only when the next position has no clearly better one. Looks at `depth` candidates, and at `more`
 * others for each that was better than those before, until a match is `nice` bytes long.
 */
function parseLazily(from: usize, end: usize, depth: u32, nice: u32, more: u32): void {
  setPatience(more)
  let at = from
  let covered = from
  let room = PIECE
  while (at < end) {
    if (room <= 0) {
      at = startPiece(at, <u32>(at - covered), end)
      covered = at
      room = PIECE
      if (at === end) break
    }
    keepPositions(at)
    let limit = reach(at, end)
    let match: u32 = limit < SEARCHABLE ? 0 : findLongest(at, limit, min(nice, limit), depth)
    if (match === 0) {
      // After many literals the next ones are likely to be literals too.
      let count: usize = 1 + min<usize>((at - covered) >>> 7, end - at - 1)
      room -= <i32>count
      for (; count > 0; count--) countLiteral(load<u8>(at++))
      continue
    }
    let searched = at + 1
    while (match >>> 16 < nice) {
      limit = reach(at + 1, end)
      if (limit < SEARCHABLE) break
      const sooner = match >>> 16
      const next = findLonger(at + 1, max<u32>(sooner - 1, 3), limit, min(nice, limit), depth >>> 1)
      searched = at + 2
      if (next === 0 || gain(next, match) <= 2) break
      countLiteral(load<u8>(at))
      at++
      room--
      match = next
    }
    const length = match >>> 16
    addMatch(<u32>(at - covered), length, match & 0xffff)
    at += length
    covered = at
    room--
    if (searched < at) enter(searched, searchable(searched, <u32>(at - searched), end))
  }
  if (room < PIECE) endPiece(end, <u32>(end - covered))
}

/** Takes the first match there is. */
function parseGreedily(from: usize, end: usize): void {
  let at = from
  let covered = from
  let room = PIECE
  while (at < end) {
    if (room <= 0) {
      at = startPiece(at, <u32>(at - covered), end)
      covered = at
      room = PIECE
      if (at === end) break
    }
    keepPositions(at)
    const limit = reach(at, end)
    const match: u32 = limit < SEARCHABLE ? 0 : findRecent(at, limit)
    if (match === 0) {
      // After many literals the next ones are likely to be literals too.
      let count: usize = 1 + min<usize>((at - covered) >>> 6, end - at - 1)
      room -= <i32>count
      for (; count > 0; count--) countLiteral(load<u8>(at++))
      continue
    }
    const length = match >>> 16
    addMatch(<u32>(at - covered), length, match & 0xffff)
    enterRecent(at + 1, searchable(at + 1, length - 1, end))
    at += length
    covered = at
    room--
  }
  if (room < PIECE) endPiece(end, <u32>(end - covered))
}

function parse(level: u32, from: usize, end: usize): void {
  if (level === 1) parseGreedily(from, end)
  else if (level === 2) parseLazily(from, end, 3, 16, 2)
  else if (level === 3) parseLazily(from, end, 5, 24, 3)
  else if (level === 4) parseLazily(from, end, 10, 40, 6)
  else if (level === 5) parseLazily(from, end, 16, 64, 8)
  else parseLazily(from, end, 22, 258, 12)
}

/** Enters the dictionary. */
function prime(level: u32, to: usize): void {
  for (let at = WINDOW; at < to; at += STRIDE) {
    keepPositions(at)
    const count = <u32>min<usize>(to - at, STRIDE)
    if (level > 1) enter(at, count)
    else enterRecent(at, count)
  }
}

/**
 * Compresses the `length` bytes at WINDOW + `dictionaryLength` to OUTPUT as whole DEFLATE blocks; matches may
 * reach into the dictionary before them. The result ends on a byte border: with the final block if `final`, else
 * with an empty stored block, so that the next result can be put behind it. It depends on nothing but the arguments.
 * Returns the number of bytes, or a negative number for arguments out of range. Levels are 1 to 6.
 */
export function deflate(dictionaryLength: u32, length: u32, level: u32, final: u32): i32 {
  if (dictionaryLength > DICTIONARY_MAX || length > BLOCK_MAX || level < 1 || level > 6 || final > 1) {
    return INVALID_ARGUMENT
  }
  const from = WINDOW + dictionaryLength
  const end = from + length
  memory.fill(end, 0, SLACK)
  resetOutput()
  resetNoise()
  resetMatches(level > 1)
  prime(level, WINDOW + searchable(WINDOW, dictionaryLength, end))
  beginBlocks(from)
  parse(level, from, end)
  endBlocks(end, final)
  if (final) alignToByte()
  else putJoint()
  if (cursor > OUTPUT + OUTPUT_SIZE) throw new Error('the output is larger than its bound')
  return <i32>(cursor - OUTPUT)
}
