import { OssbError } from '../core/index.ts'

/**
 * From gzip's levels, which users know, to the encoder's. Level 6 and none are the encoder's third: not larger than
 * zlib's level 6, at about twice its speed. Level 1 is smaller than zlib's 1, 9 smaller than its 9 and several
 * times as fast.
 */
const ENCODER_LEVELS: Readonly<Record<number, number>> = {
  1: 1,
  2: 2,
  3: 2,
  4: 2,
  5: 3,
  6: 3,
  7: 4,
  8: 5,
  9: 6,
}

const DEFAULT_GZIP_LEVEL = 6
export const DEFAULT_ZSTD_LEVEL = 3

/** @throws OssbError ERR_OSSB_USAGE unless `level` is 1 to 9 or absent */
export function encoderLevel(level: number | undefined): number {
  const encoder = ENCODER_LEVELS[level ?? DEFAULT_GZIP_LEVEL]
  if (encoder === undefined) throw levelError('gzip', level, 9)
  return encoder
}

/** @throws OssbError ERR_OSSB_USAGE unless `level` is 1 to 22 or absent */
export function zstdLevel(level: number | undefined): number {
  const wanted = level ?? DEFAULT_ZSTD_LEVEL
  if (!Number.isInteger(wanted) || wanted < 1 || wanted > 22) throw levelError('zstd', level, 22)
  return wanted
}

function levelError(type: string, level: number | undefined, highest: number): OssbError {
  return new OssbError(
    'ERR_OSSB_USAGE',
    `Cannot compress with ${type} at level ${level}: levels are 1 to ${highest}`,
  )
}
