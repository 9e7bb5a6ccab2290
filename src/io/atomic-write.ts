import { randomBytes } from 'node:crypto'
import { closeSync, fsync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { Job, OssbError } from '../core/index.ts'
import { createWriteBehind } from './write-behind.ts'
import { writeError } from './write-error.ts'

const flush = promisify(fsync)

export interface WriteOptions {
  readonly mode?: number
  /** `false` does not wait for the disk: a crash of the machine may leave a damaged file. Absent is true. */
  readonly isKept?: boolean
}

/** A name beside `path` that nothing else uses, marked so that a clean-up can tell it from real content. */
export function temporaryBeside(path: string): string {
  return join(dirname(path), `.tmp-${randomBytes(12).toString('hex')}`)
}

/** Whether a path is a name that temporaryBeside() gave. */
export function isTemporary(path: string): boolean {
  return /^\.tmp-[0-9a-f]{24}$/.test(basename(path))
}

/**
 * Replaces a file with `content` in one step: a reader sees the old file or the new one, with `isKept` also after a crash
 * of the machine.
 */
export function writeFileAtomic(
  path: string,
  content: string | Uint8Array,
  { mode = 0o644, isKept = true }: WriteOptions = {},
): void {
  const temporary = temporaryBeside(path)
  try {
    mkdirSync(dirname(path), { recursive: true })
    const fd = openSync(temporary, 'wx', mode)
    try {
      writeFully(fd, typeof content === 'string' ? Buffer.from(content) : content)
      if (isKept) fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    renameSync(temporary, path)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw failed(path, error, Buffer.byteLength(content))
  }
}

/** Writes all of `bytes`; writeSync may write less, on a pipe or an almost full disk. */
export function writeFully(fd: number, bytes: Uint8Array): void {
  for (let offset = 0; offset < bytes.length; ) offset += writeSync(fd, bytes, offset)
}

export interface StreamOptions extends WriteOptions {
  /** Bytes that there will be, for messages. */
  readonly size?: number
}

/**
 * Streams into a temporary file beside `path` and hands its name to `commit`, which puts it in place (usually a
 * rename). Nothing is left behind when the stream, the disk or `commit` fails.
 */
export async function writeStreamAtomic<T>(
  path: string,
  chunks: AsyncIterable<Uint8Array>,
  commit: (temporary: string) => T,
  job: Job,
  { mode = 0o644, size, isKept = true }: StreamOptions = {},
): Promise<T> {
  const temporary = temporaryBeside(path)
  try {
    mkdirSync(dirname(path), { recursive: true })
    const fd = openSync(temporary, 'wx', mode)
    const writer = createWriteBehind(fd)
    try {
      for await (const chunk of chunks) {
        job.signal.throwIfAborted()
        if (writer.add(chunk)) await writer.flush()
      }
      await writer.finish()
      // Off this thread: a disk may take its time, and other content is on its way meanwhile.
      if (isKept) await flush(fd)
    } finally {
      await writer.settled()
      closeSync(fd)
    }
    return commit(temporary)
  } catch (error) {
    // What was written so far is room for it again.
    rmSync(temporary, { force: true })
    throw isSystemError(error) ? failed(path, error, size) : error
  } finally {
    rmSync(temporary, { force: true })
  }
}

function failed(path: string, error: unknown, size: number | undefined): OssbError {
  const action = `write "${path}"`
  return writeError(error, { action, path: dirname(path), ...(size === undefined ? {} : { size }) })
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error
}
