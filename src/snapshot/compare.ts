import { closeSync, openSync, readSync } from 'node:fs'
import type { FileEntry, Job } from '../core/index.ts'
import type { FileSession } from '../native/index.ts'

const BLOCK_BYTES = 1024 * 1024

/**
 * Whether two entries are the same file by everything that tells files apart but the content. The time of a directory
 * is not among that: it changes with whatever was in it for a while.
 */
export function sameMetadata(a: FileEntry, b: FileEntry): boolean {
  return (
    a.type === b.type &&
    a.mode === b.mode &&
    a.uid === b.uid &&
    a.gid === b.gid &&
    (a.type !== 'file' || a.size === b.size) &&
    (a.type === 'directory' || a.mtimeNs === b.mtimeNs) &&
    a.linkTarget === b.linkTarget &&
    a.rdevMajor === b.rdevMajor &&
    a.rdevMinor === b.rdevMinor
  )
}

/** Whether a file whose metadata did not change has the same capability and content as before. */
export async function sameContent(
  now: FileEntry,
  nowPath: string,
  beforePath: string,
  session: FileSession,
  job: Job,
): Promise<boolean> {
  if (now.type !== 'file') return true
  const before = await readCapability(beforePath, session, job)
  return Buffer.compare(now.capability ?? EMPTY, before ?? EMPTY) === 0 && sameBytes(nowPath, beforePath)
}

const EMPTY = new Uint8Array(0)

/** The capability of a file, where it has one. */
export async function readCapability(
  path: string,
  session: FileSession,
  job: Job,
): Promise<Uint8Array | undefined> {
  const [result] = await session.batch(
    [{ type: 'getxattr', path, name: 'security.capability', optional: true }],
    job,
  )
  return result?.ok === true ? result.value : undefined
}

function sameBytes(a: string, b: string): boolean {
  const [first, second] = [openSync(a, 'r'), openSync(b, 'r')]
  try {
    const [left, right] = [Buffer.allocUnsafe(BLOCK_BYTES), Buffer.allocUnsafe(BLOCK_BYTES)]
    for (;;) {
      const count = readSync(first, left)
      if (readSync(second, right) !== count || left.compare(right, 0, count, 0, count) !== 0) return false
      if (count === 0) return true
    }
  } finally {
    closeSync(first)
    closeSync(second)
  }
}

/** The order of a sorted walk: by the bytes of each part of the path in turn. */
export function comparePaths(a: string, b: string): number {
  // NUL sorts before every byte of a name, as the end of a part must.
  return Buffer.compare(Buffer.from(a.replaceAll('/', '\0')), Buffer.from(b.replaceAll('/', '\0')))
}
