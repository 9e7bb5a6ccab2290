import { alignToByte, cursor, resetOutput } from './bit-writer'
import { putJoint } from './block'
import { enter, enterRecent, findLongest, findRecent, resetMatches } from './match-finder'
import { BLOCK_MAX, DICTIONARY_MAX, OUTPUT, OUTPUT_SIZE, SLACK, WINDOW } from './memory'
import { addMatch, beginBlocks, countLiteral, endBlocks, endPiece, PIECE } from './splitter'

const LONGEST: u32 = 258
/** A search reads 4 bytes; the last 3 of a block are literals or belong to an earlier match. */
const SEARCHABLE: u32 = 4
/** Three literals are cheaper than a match of three bytes from farther away. */
const FAR_FOR_THREE: u32 = 4096

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

function isPoor(match: u32): bool {
  return match === 0 || (match >>> 16 === 3 && (match & 0xffff) > FAR_FOR_THREE)
}

/** Takes a match only when none of the next one or two positions has a clearly better one. */
function parseLazily(from: usize, end: usize, depth: u32, nice: u32, ahead: u32): void {
  let at = from
  let covered = from
  let room = PIECE
  while (at < end) {
    if (room <= 0) {
      endPiece(at, <u32>(at - covered))
      covered = at
      room = PIECE
    }
    let limit = reach(at, end)
    let match: u32 = limit < SEARCHABLE ? 0 : findLongest(at, 2, limit, min(nice, limit), depth)
    if (isPoor(match)) {
      countLiteral(load<u8>(at))
      at++
      room--
      continue
    }
    let searched = at + 1
    while (match >>> 16 < nice) {
      limit = reach(at + 1, end)
      if (limit < SEARCHABLE) break
      const sooner = match >>> 16
      const next = findLongest(at + 1, sooner - 1, limit, min(nice, limit), depth >>> 1)
      searched = at + 2
      if (next !== 0 && next >>> 16 >= sooner && gain(next, match) > 2) {
        countLiteral(load<u8>(at))
        at++
        room--
        match = next
        continue
      }
      if (ahead < 2 || limit - 1 < SEARCHABLE) break
      limit = reach(at + 2, end)
      const second = findLongest(at + 2, sooner - 1, limit, min(nice, limit), depth >>> 2)
      searched = at + 3
      if (second === 0 || second >>> 16 < sooner || gain(second, match) <= 6) break
      countLiteral(load<u8>(at))
      countLiteral(load<u8>(at + 1))
      at += 2
      room -= 2
      match = second
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
      endPiece(at, <u32>(at - covered))
      covered = at
      room = PIECE
    }
    const limit = reach(at, end)
    const match: u32 = limit < SEARCHABLE ? 0 : findRecent(at, limit)
    if (match === 0) {
      countLiteral(load<u8>(at))
      at++
      room--
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
  else if (level === 2) parseLazily(from, end, 6, 10, 1)
  else if (level === 3) parseLazily(from, end, 8, 14, 1)
  else if (level === 4) parseLazily(from, end, 16, 30, 1)
  else if (level === 5) parseLazily(from, end, 35, 65, 1)
  else parseLazily(from, end, 70, 130, 2)
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
  resetMatches(level > 1)
  const primed = searchable(WINDOW, dictionaryLength, end)
  if (level > 1) enter(WINDOW, primed)
  else enterRecent(WINDOW, primed)
  beginBlocks(from)
  parse(level, from, end)
  endBlocks(end, final)
  if (final) alignToByte()
  else putJoint()
  if (cursor > OUTPUT + OUTPUT_SIZE) throw new Error('the output is larger than its bound')
  return <i32>(cursor - OUTPUT)
}
