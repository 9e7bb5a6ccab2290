import { statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { errnoOf, fileSystemError, formatBytes, type OssbError } from '../core/index.ts'

/** What was to be written, and where. */
export interface Writing {
  /** As it stands after "Cannot". */
  readonly action: string
  /** A file or directory on the disk in question; it need not be there. */
  readonly path: string
  /** Bytes that it takes, where that is known. */
  readonly size?: number
}

/** A failure to write; where the disk is full, with the room that it has and the room that is needed. */
export function writeError(error: unknown, { action, path, size }: Writing): OssbError {
  return fileSystemError(action, error, () => {
    const needed = size === undefined ? '' : `, ${formatBytes(size)} needed`
    return `${freeAt(path)}${needed}`
  })
}

function freeAt(path: string): string {
  try {
    const { bavail, bsize } = statfsSync(path)
    return `${formatBytes(bavail * bsize)} free in "${path}"`
  } catch (error) {
    const isMissing = errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR'
    return isMissing && path !== dirname(path) ? freeAt(dirname(path)) : `free space in "${path}" unknown`
  }
}
