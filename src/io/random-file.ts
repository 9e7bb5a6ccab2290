import { closeSync, createReadStream, fstatSync, openSync, readSync } from 'node:fs'
import { Readable } from 'node:stream'
import { fileSystemError } from '../core/index.ts'

/** A file that is read at any place. It may have no name any more; disposing lets it go. */
export interface RandomFile extends Disposable {
  /** Bytes. */
  readonly size: number
  /** Up to `length` bytes from `position` on; fewer only at the end of the file. */
  read(position: number, length: number): Buffer
  stream(position: number, length: number): Readable
}

const CHUNK_BYTES = 1024 * 1024

/** @throws OssbError ERR_OSSB_FILESYSTEM; a file that is missing as the error of Node (ENOENT) */
export function openRandomFile(path: string): RandomFile {
  const fd = openSync(path, 'r')
  return {
    size: fstatSync(fd).size,
    read(position, length) {
      const bytes = Buffer.allocUnsafe(length)
      try {
        for (let filled = 0; filled < length; ) {
          const count = readSync(fd, bytes, filled, length - filled, position + filled)
          if (count === 0) return bytes.subarray(0, filled)
          filled += count
        }
        return bytes
      } catch (error) {
        throw fileSystemError(`read "${path}"`, error)
      }
    },
    stream: (position, length) =>
      // The end is inclusive, so that there is no way to ask a file for nothing.
      length === 0
        ? Readable.from([])
        : createReadStream(path, {
            fd,
            autoClose: false,
            start: position,
            end: position + length - 1,
            highWaterMark: CHUNK_BYTES,
          }),
    [Symbol.dispose]: () => closeSync(fd),
  }
}
