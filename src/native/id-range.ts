import { readFileSync } from 'node:fs'
import { errnoOf, fileSystemError } from '../core/index.ts'

/** `count` ids from `first` on. */
export interface IdRange {
  readonly first: number
  readonly count: number
}

export interface IdRangeOwner {
  readonly name: string
  readonly uid: number
}

const LAST_ID = 0xffff_ffff

/**
 * The subordinate ids that a file in the form of subuid(5) (`name-or-uid:first:count`) gives to a user, in its order.
 * A file that does not exist gives none; lines that make no sense are passed over, as newuidmap does.
 */
export function readIdRanges(file: string, user: IdRangeOwner): readonly IdRange[] {
  return readLines(file).flatMap((line) => {
    const [owner, first, count, ...more] = line.trim().split(':')
    if ((owner !== user.name && owner !== String(user.uid)) || more.length > 0) return []
    const range = { first: idNumber(first), count: idNumber(count) }
    return range.count > 0 && range.first + range.count - 1 <= LAST_ID ? [range] : []
  })
}

function idNumber(text: string | undefined): number {
  return text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
}

function readLines(file: string): readonly string[] {
  try {
    return readFileSync(file, 'utf8').split('\n')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return []
    throw fileSystemError(`read the subordinate ids in "${file}"`, error)
  }
}
