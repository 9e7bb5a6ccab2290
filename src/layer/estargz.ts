import { createHash } from 'node:crypto'
import { PassThrough } from 'node:stream'
import type { Codec } from '../codec/index.ts'
import { type Digest, digestOf, OssbError } from '../core/index.ts'
import { createDigestTap } from '../io/index.ts'
import { encodeTarHeader, paddingOf, ROOT_FILE, type TarHeader } from './tar-header.ts'
import { readTar, type TarPart } from './tar-reader.ts'
import { TAR_END } from './write-layer.ts'

/** Annotation of a layer: the digest of its table of contents, by which lazy readers trust it. */
export const TOC_DIGEST: string = 'containerd.io/snapshot/stargz/toc.digest'
/** Annotation of a layer: the bytes of its tar. */
const UNCOMPRESSED_SIZE = 'io.containers.estargz.uncompressed-size'

export interface EstargzOptions {
  readonly codec: Codec
  /** As of gzip. */
  readonly level?: number
}

/** What is known of an eStargz blob when all of it was read. */
export interface EstargzFacts {
  /** Of its tar, which has two files more than the one that it was made of. */
  readonly diffId: Digest
  readonly annotations: Readonly<Record<string, string>>
}

export interface EstargzWriter {
  /** The blob. */
  readonly chunks: AsyncIterable<Uint8Array>
  /** @throws OssbError ERR_OSSB_INTERNAL where `chunks` was not read to its end */
  readonly facts: () => EstargzFacts
}

/** Of a larger file each so many bytes can be read by themselves. */
const CHUNK_BYTES = 4 * 1024 * 1024
/** Says that no file is to be fetched ahead. */
const LANDMARK = '.no.prefetch.landmark'
const TOC_NAME = 'stargz.index.json'

/** An entry of the table of contents; members without a value are left out of the JSON. */
interface TocEntry {
  readonly name: string
  readonly type: 'dir' | 'reg' | 'symlink' | 'hardlink' | 'char' | 'block' | 'fifo' | 'chunk'
  readonly [member: string]: unknown
  digest?: Digest
  chunkDigest?: Digest
}

const TYPES: Readonly<Record<TarHeader['type'], TocEntry['type']>> = {
  file: 'reg',
  directory: 'dir',
  symlink: 'symlink',
  hardlink: 'hardlink',
  character: 'char',
  block: 'block',
  fifo: 'fifo',
}

/**
 * A layer as eStargz (stargz-snapshotter, docs/estargz.md): one gzip blob like any other, of which each file, and each
 * 4 MiB of a large one, is a member that can be read without the rest, with a table of contents at its end. The bytes are a
 * function of the tar and the level.
 */
export function createEstargz(tar: AsyncIterable<Uint8Array>, options: EstargzOptions): EstargzWriter {
  let facts: EstargzFacts | undefined
  async function* chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    const out = new PassThrough({ highWaterMark: CHUNK_BYTES })
    const writing = write(tar, out, options).then(
      (found) => {
        facts = found
        out.end()
      },
      (error: unknown) => void out.destroy(error instanceof Error ? error : new Error(String(error))),
    )
    try {
      for await (const chunk of out) yield chunk as Uint8Array
    } finally {
      out.destroy()
      await writing
    }
  }
  return {
    chunks: chunks(),
    facts: () => {
      if (facts === undefined) throw internal('it was not read to its end')
      return facts
    },
  }
}

async function write(
  tar: AsyncIterable<Uint8Array>,
  out: PassThrough,
  options: EstargzOptions,
): Promise<EstargzFacts> {
  const members = createMembers(out, options)
  const entries: TocEntry[] = []
  const files = createFileWriter(members, entries)
  await files.header({ ...PLAIN_FILE, path: LANDMARK, size: 1 })
  await files.content(Uint8Array.of(0xf))
  await readTar(tar, (part: TarPart) => ('path' in part ? files.header(part) : files.content(part)))
  await members.end()
  const toc = Buffer.from(JSON.stringify({ version: 1, entries }))
  const tocOffset = members.offset
  members.add(encodeTarHeader({ ...PLAIN_FILE, path: TOC_NAME, size: toc.length }))
  members.add(toc)
  members.add(Buffer.alloc(paddingOf(toc.length)))
  members.add(TAR_END)
  await members.end()
  await members.send(footer(tocOffset))
  return {
    diffId: members.diffId(),
    annotations: { [TOC_DIGEST]: digestOf(toc), [UNCOMPRESSED_SIZE]: String(members.size) },
  }
}

const PLAIN_FILE: Omit<TarHeader, 'path' | 'size'> = { ...ROOT_FILE, mode: 0o444 }

/** The members of the blob: what is added to the one that is open, until it ends. */
interface Members {
  /** Where in the blob the open member begins, once the one before has ended. */
  readonly offset: number
  /** Bytes of the tar so far. */
  readonly size: number
  /** Bytes of the tar that are in the open member. */
  readonly open: number
  add(bytes: Uint8Array): void
  end(): Promise<void>
  send(bytes: Uint8Array): Promise<void>
  diffId(): Digest
}

function createMembers(out: PassThrough, { codec, level }: EstargzOptions): Members {
  const tap = createDigestTap()
  let pending: Uint8Array[] = []
  let open = 0
  let offset = 0
  const compression = { type: 'gzip', ...(level === undefined ? {} : { level }) } as const

  const send = async (bytes: Uint8Array): Promise<void> => {
    offset += bytes.length
    if (!out.write(bytes)) await drained(out)
  }

  const end = async (): Promise<void> => {
    if (open === 0) return
    const chunks = tap.through(given(pending))
    pending = []
    open = 0
    for await (const bytes of codec.compress(chunks, compression)) await send(bytes)
  }

  return {
    get offset() {
      return offset
    },
    get size() {
      return tap.size + open
    },
    get open() {
      return open
    },
    add: (bytes) => {
      pending.push(bytes)
      open += bytes.length
    },
    end,
    send,
    diffId: () => tap.digest(),
  }
}

async function* given(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array, void, undefined> {
  yield* chunks
}

/** A reader that is gone takes no more: what it left goes on to its end. */
async function drained(out: PassThrough): Promise<void> {
  if (out.destroyed) throw internal('nobody reads it any more')
  await new Promise<void>((resolve) => {
    const done = () => {
      out.off('drain', done).off('close', done)
      resolve()
    }
    out.on('drain', done).on('close', done)
  })
}

interface FileWriter {
  header(header: TarHeader): Promise<void> | undefined
  content(bytes: Uint8Array): Promise<void>
}

/** A file that is being written, and the chunk of it that is. */
interface OpenFile {
  readonly entry: TocEntry
  readonly header: TarHeader
  readonly hash: ReturnType<typeof createHash>
  written: number
}

function createFileWriter(members: Members, entries: TocEntry[]): FileWriter {
  let file: OpenFile | undefined
  let chunk: { readonly entry: TocEntry; readonly hash: ReturnType<typeof createHash> } | undefined

  const beginChunk = async ({ entry, header, written }: OpenFile): Promise<void> => {
    await members.end()
    const left = header.size - written
    const about = {
      offset: members.offset,
      ...(written === 0 ? {} : { chunkOffset: written }),
      ...(left > CHUNK_BYTES ? { chunkSize: CHUNK_BYTES } : {}),
    }
    const own =
      written === 0 ? Object.assign(entry, about) : { name: entry.name, type: 'chunk' as const, ...about }
    if (own !== entry) entries.push(own)
    chunk = { entry: own, hash: createHash('sha256') }
  }

  const endChunk = (): void => {
    if (chunk !== undefined) chunk.entry.chunkDigest = `sha256:${chunk.hash.digest('hex')}`
    chunk = undefined
  }

  return {
    header: (header) => {
      const entry = entryOf(header)
      entries.push(entry)
      members.add(encodeTarHeader(header))
      if (header.type === 'file' && header.size > 0)
        file = { entry, header, hash: createHash('sha256'), written: 0 }
      // Many entries without content are no reason to hold all their headers.
      return members.open > CHUNK_BYTES ? members.end() : undefined
    },
    content: async (bytes) => {
      for (let at = 0; at < bytes.length && file !== undefined; ) {
        const inChunk = file.written % CHUNK_BYTES
        if (inChunk === 0) {
          endChunk()
          await beginChunk(file)
        }
        // The reader may use its bytes again.
        const piece = Buffer.from(bytes.subarray(at, at + CHUNK_BYTES - inChunk))
        members.add(piece)
        file.hash.update(piece)
        chunk?.hash.update(piece)
        file.written += piece.length
        at += piece.length
        if (file.written < file.header.size) continue
        endChunk()
        file.entry.digest = `sha256:${file.hash.digest('hex')}`
        members.add(Buffer.alloc(paddingOf(file.header.size)))
        file = undefined
      }
    },
  }
}

function entryOf(header: TarHeader): TocEntry {
  const { path, type, mode, uid, gid, size, mtimeNs, linkTarget, devMajor, devMinor, xattrs } = header
  const isDevice = type === 'character' || type === 'block'
  return {
    name: path,
    type: TYPES[type],
    ...(type === 'file' && size > 0 ? { size } : {}),
    modtime: new Date(Number(mtimeNs / 1_000_000_000n) * 1000).toISOString().replace('.000Z', 'Z'),
    ...(linkTarget === '' ? {} : { linkName: linkTarget }),
    mode,
    ...(uid === 0 ? {} : { uid }),
    ...(gid === 0 ? {} : { gid }),
    ...(isDevice ? { devMajor, devMinor } : {}),
    ...(xattrs.size === 0
      ? {}
      : { xattrs: Object.fromEntries([...xattrs].map(([name, value]) => [name, base64(value)])) }),
  }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

/** An empty gzip member of 51 bytes that says in its extra field where the table of contents begins. */
function footer(tocOffset: number): Buffer {
  const extra = Buffer.from(`${tocOffset.toString(16).padStart(16, '0')}STARGZ`, 'latin1')
  return Buffer.concat([
    Buffer.from([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255, 26, 0, 0x53, 0x47, 22, 0]),
    extra,
    Buffer.from([1, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]),
  ])
}

function internal(reason: string): OssbError {
  return new OssbError('ERR_OSSB_INTERNAL', `Cannot write an eStargz blob: ${reason}`)
}
