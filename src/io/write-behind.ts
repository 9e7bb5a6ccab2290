import { writev } from 'node:fs'
import { promisify } from 'node:util'

const writeVector = promisify(writev)

/** Bytes that are written at once: large enough for the disk, small enough for many files at a time. */
const BATCH_BYTES = 1024 * 1024

/** Writes to a file beside the work that makes its bytes: while one batch is written the next one comes together. */
export interface WriteBehind {
  /** Takes bytes over, which nobody may change from then on. @returns true when `flush` is due */
  add(chunk: Uint8Array): boolean
  /** Begins to write what was taken, after waiting for the batch before. @throws what that one failed with */
  flush(): Promise<void>
  /** Writes the rest, to its end. @throws what a write failed with */
  finish(): Promise<void>
  /** Waits until nothing is written any more, whatever became of it. */
  settled(): Promise<void>
}

export function createWriteBehind(fd: number): WriteBehind {
  let batch: Uint8Array[] = []
  let size = 0
  let writing = Promise.resolve()
  const flush = async () => {
    const chunks = batch
    batch = []
    size = 0
    await writing
    writing = writeAll(fd, chunks)
    // It is told to who waits for it, if at all.
    writing.catch(() => undefined)
  }
  return {
    add(chunk) {
      batch.push(chunk)
      size += chunk.length
      return size >= BATCH_BYTES
    },
    flush,
    async finish() {
      await flush()
      await writing
    },
    settled: () => writing.catch(() => undefined),
  }
}

/** A write may take less than it was given, on an almost full disk. */
async function writeAll(fd: number, chunks: readonly Uint8Array[]): Promise<void> {
  for (let left = chunks; left.length > 0; ) {
    const { bytesWritten } = await writeVector(fd, left)
    left = withoutFirst(left, bytesWritten)
  }
}

function withoutFirst(chunks: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  let skipped = 0
  for (const [index, chunk] of chunks.entries()) {
    if (skipped + chunk.length > count) return [chunk.subarray(count - skipped), ...chunks.slice(index + 1)]
    skipped += chunk.length
  }
  return []
}
