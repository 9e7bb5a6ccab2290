import { createWriteStream, realpathSync, renameSync, type Stats, statSync } from 'node:fs'
import { join } from 'node:path'
import { Readable, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { errnoOf, fileSystemError, type Job, OssbError } from '../core/index.ts'
import { writeStreamAtomic } from '../io/index.ts'

/** The path of a file, or a stream (standard output), which is written but not ended. */
export type OutputTarget = string | Writable

export function describeTarget(target: OutputTarget): string {
  return typeof target === 'string' ? target : '-'
}

/**
 * Writes an output file as a whole: what was there before stays until all bytes are on the disk. Only a stream, a
 * pipe or a device is written as the bytes come.
 * @throws OssbError ERR_OSSB_OUTPUT, ERR_OSSB_NO_SPACE or ERR_OSSB_FILESYSTEM
 */
export async function writeOutput(
  target: OutputTarget,
  chunks: AsyncIterable<Uint8Array>,
  job: Job,
): Promise<void> {
  if (typeof target !== 'string') return writeToStream(target, chunks, job, { end: false })
  const existing = fileAt(target)
  if (existing !== undefined && !existing.isFile())
    return writeToStream(createWriteStream(target), chunks, job, { end: true })
  const path = existing === undefined ? target : realpathSync(target)
  await writeStreamAtomic(path, chunks, (temporary) => renameSync(temporary, path), job)
}

/** What is there; anything but a directory. */
function fileAt(path: string): Stats | undefined {
  const existing = statIfPresent(path)
  if (existing?.isDirectory())
    throw new OssbError('ERR_OSSB_OUTPUT', `Cannot write "${path}": it is a directory`, {
      hint: `Name a file, such as ${join(path, 'image.tar')}.`,
    })
  return existing
}

/**
 * The name that a new file in the place of `path` gets in the end: that behind a symbolic link.
 * @throws OssbError ERR_OSSB_OUTPUT for what is no plain file
 */
export function finalPath(path: string): string {
  const existing = fileAt(path)
  if (existing !== undefined && !existing.isFile())
    throw new OssbError('ERR_OSSB_OUTPUT', `Cannot write "${path}": it is not a plain file`)
  return existing === undefined ? path : realpathSync(path)
}

function statIfPresent(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false })
  } catch (error) {
    throw fileSystemError(`write "${path}"`, error)
  }
}

async function writeToStream(
  stream: Writable,
  chunks: AsyncIterable<Uint8Array>,
  job: Job,
  options: { readonly end: boolean },
): Promise<void> {
  try {
    await pipeline(Readable.from(chunks, { objectMode: false }), stream, {
      signal: job.signal,
      end: options.end,
    })
  } catch (error) {
    job.signal.throwIfAborted()
    throw errnoOf(error) === undefined ? error : fileSystemError('write the output stream', error)
  }
}
