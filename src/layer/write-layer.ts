import { closeSync, constants, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { type Change, type FileEntry, fileSystemError, type Job, OssbError } from '../core/index.ts'
import { readFileEntry } from '../fs/index.ts'
import type { FileSession } from '../native/index.ts'
import { BLOCK_BYTES, encodeTarHeader, paddingOf, ROOT_FILE } from './tar-header.ts'

export interface TarOptions {
  /** Later times become this one (nanoseconds); absent keeps all. */
  readonly clampTo?: bigint
  /** Earlier ones as well. */
  readonly clampsAll?: boolean
  /** Who knows the owners that are on record only; for trees of which not every directory comes as a change. */
  readonly session?: FileSession
  /** A directory in front of all names, which comes first itself, as the root; absent or empty is none. */
  readonly folder?: string
  /** `open`: no end of the archive, because more follows. */
  readonly end?: 'open'
  /** Chunks are good until the next one is asked for; absent is for good. */
  readonly reusesChunks?: boolean
}

/** What comes after the last member of a tar (POSIX.1-2017, pax). */
export const TAR_END: Buffer = Buffer.alloc(2 * BLOCK_BYTES)

/** Bytes of tar in one chunk: what the compressor takes as one block. */
const CHUNK_BYTES = 1024 * 1024

/**
 * The tar of a layer (image-spec layer.md): the changes in the order in which they come, which must be that of a
 * sorted walk; each directory that leads to one in front of it; deletions as whiteouts; hard links to the first name
 * in this layer. The bytes are a function of the changes and the files alone.
 */
export async function* layerTar(
  changes: AsyncIterable<Change>,
  rootfs: string,
  options: TarOptions,
  job: Job,
): AsyncGenerator<Uint8Array, void, undefined> {
  const out = createChunker(options.reusesChunks === true)
  const links = new Map<string, string>()
  const written = new Set<string>()
  for await (const change of changes) {
    job.signal.throwIfAborted()
    const path = change.type === 'delete' ? change.path : change.entry.path
    if (path === '') {
      if (change.type === 'upsert' && options.folder)
        yield* out.add(headerOf(change.entry, undefined, options))
      continue
    }
    for (const ancestor of ancestorsOf(path)) {
      if (written.has(ancestor)) continue
      written.add(ancestor)
      yield* out.add(headerOf(await ancestorEntry(rootfs, ancestor, options, job), undefined, options))
    }
    if (change.type === 'delete') yield* out.add(whiteoutHeader(path))
    else if (change.entry.type !== 'socket') {
      if (change.entry.type === 'directory') written.add(path)
      yield* writeEntry(out, change.entry, rootfs, links, options)
    }
  }
  if (options.end !== 'open') yield* out.add(TAR_END)
  yield* out.rest()
}

async function ancestorEntry(
  rootfs: string,
  path: string,
  { session }: TarOptions,
  job: Job,
): Promise<FileEntry> {
  const host = join(rootfs, path)
  const entry = readFileEntry(host, path)
  return session === undefined ? entry : await session.recorded(entry, host, job)
}

/** The directories that lead to a path, outermost first, the root left out. */
function ancestorsOf(path: string): readonly string[] {
  const parts = path.split('/')
  return parts.slice(1).map((_, i) => parts.slice(0, i + 1).join('/'))
}

function* writeEntry(
  out: Chunker,
  entry: FileEntry,
  rootfs: string,
  links: Map<string, string>,
  options: TarOptions,
): Generator<Uint8Array> {
  const inode = `${entry.dev}:${entry.ino}`
  const first = entry.type !== 'directory' && entry.nlink > 1 ? links.get(inode) : undefined
  yield* out.add(headerOf(entry, first, options))
  if (first !== undefined) return
  if (entry.nlink > 1) links.set(inode, entry.path)
  if (entry.type !== 'file' || entry.size === 0) return
  yield* out.addFile(join(rootfs, entry.path), entry)
  yield* out.add(Buffer.alloc(paddingOf(entry.size)))
}

function headerOf(
  entry: FileEntry,
  linkTo: string | undefined,
  { clampTo, clampsAll = false, folder = '' }: TarOptions,
): Buffer {
  const nameOf = (path: string) => (folder === '' || path === '' ? `${folder}${path}` : `${folder}/${path}`)
  const isDevice = entry.type === 'character' || entry.type === 'block'
  return encodeTarHeader({
    path: `${nameOf(entry.path)}${entry.type === 'directory' ? '/' : ''}`,
    type: linkTo !== undefined ? 'hardlink' : entry.type === 'socket' ? 'file' : entry.type,
    mode: entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    size: linkTo === undefined && entry.type === 'file' ? entry.size : 0,
    mtimeNs: clampTo !== undefined && (clampsAll || entry.mtimeNs > clampTo) ? clampTo : entry.mtimeNs,
    linkTarget: linkTo === undefined ? (entry.linkTarget ?? '') : nameOf(linkTo),
    devMajor: isDevice ? entry.rdevMajor : 0,
    devMinor: isDevice ? entry.rdevMinor : 0,
    xattrs: new Map(
      linkTo === undefined && entry.capability !== undefined
        ? [['security.capability', entry.capability]]
        : [],
    ),
  })
}

/** A whiteout (image-spec layer.md#whiteouts): an empty file `.wh.<name>` in the place of what is gone. */
function whiteoutHeader(path: string): Buffer {
  const slash = path.lastIndexOf('/')
  return encodeTarHeader({
    path: `${path.slice(0, slash + 1)}.wh.${path.slice(slash + 1)}`,
    ...ROOT_FILE,
    mode: 0,
    size: 0,
  })
}

/** Gathers bytes into chunks of CHUNK_BYTES. A chunk that was given out is not written to again, but where it may be reused. */
interface Chunker {
  add(bytes: Uint8Array): Generator<Uint8Array>
  addFile(path: string, entry: FileEntry): Generator<Uint8Array>
  rest(): Generator<Uint8Array>
}

function createChunker(reuses: boolean): Chunker {
  let chunk = Buffer.allocUnsafe(CHUNK_BYTES)
  let used = 0
  const full = (): Uint8Array | undefined => {
    if (used < CHUNK_BYTES) return undefined
    const done = chunk
    if (!reuses) chunk = Buffer.allocUnsafe(CHUNK_BYTES)
    used = 0
    return done
  }
  return {
    *add(bytes) {
      for (let at = 0; at < bytes.length; ) {
        const piece = bytes.subarray(at, at + CHUNK_BYTES - used)
        chunk.set(piece, used)
        used += piece.length
        at += piece.length
        const done = full()
        if (done !== undefined) yield done
      }
    },
    *addFile(path, entry) {
      const fd = openContent(path)
      try {
        for (let left = entry.size; left > 0; ) {
          const count = readContent(fd, chunk, used, Math.min(left, CHUNK_BYTES - used), path)
          if (count === 0)
            throw new OssbError(
              'ERR_OSSB_FILESYSTEM',
              `Cannot write "/${entry.path}" to a layer: it became shorter while it was read`,
            )
          used += count
          left -= count
          const done = full()
          if (done !== undefined) yield done
        }
      } finally {
        closeSync(fd)
      }
    },
    *rest() {
      if (used > 0) yield chunk.subarray(0, used)
      used = 0
    },
  }
}

function readContent(fd: number, into: Buffer, offset: number, length: number, path: string): number {
  try {
    return readSync(fd, into, offset, length, null)
  } catch (error) {
    throw fileSystemError(`read "${path}" for a layer`, error)
  }
}

function openContent(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NOATIME)
  } catch {
    try {
      return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW)
    } catch (error) {
      throw fileSystemError(`read "${path}" for a layer`, error)
    }
  }
}
