import { spawnSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import type { BuildEvent, FileEntry, Job } from '../../src/core/index.ts'
import { encodeTarHeader, paddingOf, readTar, type TarHeader } from '../../src/layer/index.ts'
import {
  type FileSession,
  loadHelper,
  type NativeHelper,
  openFileSession,
  walkTree,
} from '../../src/native/index.ts'
import { tarHeader } from './tar-header.ts'

export const IDLE: Job = { signal: new AbortController().signal, emit: () => {} }
export const HELPER: NativeHelper = loadHelper()

/** A job that keeps what it is told. */
export function recordingJob(): Job & { readonly events: readonly BuildEvent[] } {
  const events: BuildEvent[] = []
  return { signal: new AbortController().signal, emit: (event) => events.push(event), events }
}

const trash: string[] = []
afterAll(() => {
  for (const directory of trash.splice(0)) spawnSync('rm', ['-rf', directory])
})

/** A new directory, removed at the end of the test file. */
export function newDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'ossb-layer-'))
  trash.push(directory)
  return directory
}

let session: FileSession | undefined
afterAll(async () => {
  await session?.[Symbol.asyncDispose]()
  session = undefined
})

/** One session for a test file. */
export function fileSession(): FileSession {
  session ??= openFileSession(HELPER)
  return session
}

export type ArchiveEntry = Partial<TarHeader> & { readonly content?: string }

/** A tar of entries, with its trailer. */
export function archive(...entries: readonly ArchiveEntry[]): Buffer {
  const parts = entries.flatMap(({ content = '', ...fields }) => {
    const bytes = Buffer.from(content)
    const header = tarHeader({ ...fields, size: bytes.length })
    return [encodeTarHeader(header), bytes, Buffer.alloc(paddingOf(bytes.length))]
  })
  return Buffer.concat([...parts, Buffer.alloc(1024)])
}

/** A stream of the bytes in pieces of a size that no block has. */
export async function* inPieces(bytes: Uint8Array, size = 777): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

export async function entriesOf(root: string): Promise<readonly FileEntry[]> {
  const all: FileEntry[] = []
  for await (const entries of walkTree(HELPER, root, IDLE)) all.push(...entries)
  return all
}

/** `path type mode uid:gid mtime…` of every file below a root, hard links as `= first name`. */
export async function listTree(root: string): Promise<readonly string[]> {
  const first = new Map<bigint, string>()
  return (await entriesOf(root)).slice(1).map((entry) => {
    const { path, type, mode, uid, gid, size, mtimeNs, linkTarget, ino, nlink, capability } = entry
    const known = type !== 'directory' && nlink > 1 ? first.get(ino) : undefined
    if (known !== undefined) return `${path} = ${known}`
    first.set(ino, path)
    const words = [path, type, mode.toString(8), `${uid}:${gid}`, type === 'file' ? size : '', `@${mtimeNs}`]
    const more = [
      linkTarget === undefined ? '' : `-> ${linkTarget}`,
      Buffer.from(capability ?? []).toString('hex'),
    ]
    return [...words, ...more].filter((word) => word !== '').join(' ')
  })
}

export async function bytesOf(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const chunk of chunks) parts.push(chunk)
  return Buffer.concat(parts)
}

/** Everything in an archive. */
export async function entriesOfTar(
  chunks: AsyncIterable<Uint8Array>,
): Promise<readonly { readonly header: TarHeader; readonly content: Buffer }[]> {
  const entries: { readonly header: TarHeader; readonly pieces: Uint8Array[] }[] = []
  await readTar(chunks, (part) => {
    if (part instanceof Uint8Array) entries.at(-1)?.pieces.push(part)
    else entries.push({ header: part, pieces: [] })
    return undefined
  })
  return entries.map(({ header, pieces }) => ({ header, content: Buffer.concat(pieces) }))
}
