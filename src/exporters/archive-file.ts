import {
  closeSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { Readable } from 'node:stream'
import { type Descriptor, type Digest, type Job, OssbError } from '../core/index.ts'
import { openRandomFile, type RandomFile, temporaryBeside, verified, writeError } from '../io/index.ts'
import { encodeTarHeader, paddingOf } from '../layer/index.ts'
import { blobDirectories, blobPath, type Repository } from '../oci/index.ts'
import { OCI_LAYOUT_FILE } from './layout-index.ts'
import { finalPath } from './output-file.ts'

/** An archive that is being written: a place for each blob, in any order, and nothing under its name before the end. */
export interface ArchiveFile extends Pick<Repository, 'has' | 'open' | 'put'>, Disposable {
  /** Writes index.json, and Docker's manifest.json where there is one, and gives the archive its name. */
  finish(texts: { readonly index: string; readonly dockerManifest?: string }): void
}

/** Bytes at the end of a tar (POSIX.1-2017, pax). */
const END_BYTES = 1024

interface Place {
  readonly blob: Descriptor
  readonly header: Buffer
  /** Where the header starts. */
  readonly at: number
}

/**
 * Makes an OCI layout as a tar file for content that is known beforehand: members sorted by name, without times and
 * owners, so that equal content gives equal bytes whatever comes first. Disposing removes what was not finished.
 */
export function createArchiveFile(path: string, content: readonly Descriptor[]): ArchiveFile {
  const target = finalPath(path)
  const temporary = temporaryBeside(target)
  const { places, start, end } = arrange(content)
  const done = new Set<Digest>()
  let finished = false
  const failed = (error: unknown) =>
    writeError(error, { action: `write "${path}"`, path: dirname(target), size: end })
  const fd = openNew(temporary, failed)
  const attempt = (action: () => void): void => {
    try {
      action()
    } catch (error) {
      giveRoomBack(fd)
      throw failed(error)
    }
  }
  let reader: RandomFile | undefined

  const put = async (expected: Descriptor, open: () => Promise<Readable>, job: Job): Promise<void> => {
    const place = places.get(expected.digest)
    if (place === undefined)
      throw new OssbError(
        'ERR_OSSB_INTERNAL',
        `Cannot write ${expected.digest}: it has no place in the archive`,
      )
    if (done.has(expected.digest)) return
    attempt(() => writeAll(fd, place.header, place.at))
    let at = place.at + place.header.length
    for await (const chunk of verified(await open(), expected, 'its source')) {
      job.signal.throwIfAborted()
      attempt(() => writeAll(fd, chunk, at))
      at += chunk.length
    }
    done.add(expected.digest)
  }

  return {
    has: (wanted) => Promise.resolve(done.has(wanted.digest)),
    put,
    async open(wanted) {
      const place = places.get(wanted.digest)
      if (place === undefined || !done.has(wanted.digest))
        throw new OssbError('ERR_OSSB_NOT_FOUND', `Cannot find "${wanted.digest}" in "${path}"`)
      reader ??= openRandomFile(temporary)
      return reader.stream(place.at + place.header.length, wanted.size)
    },
    finish({ index, dockerManifest }) {
      const files = [
        textMember('index.json', index),
        ...(dockerManifest === undefined ? [] : [textMember('manifest.json', dockerManifest)]),
        textMember('oci-layout', OCI_LAYOUT_FILE),
        Buffer.alloc(END_BYTES),
      ]
      attempt(() => {
        const tail = Buffer.concat(files)
        writeAll(fd, start, 0)
        writeAll(fd, tail, end)
        ftruncateSync(fd, end + tail.length)
        fsyncSync(fd)
        renameSync(temporary, target)
      })
      finished = true
    },
    [Symbol.dispose]() {
      reader?.[Symbol.dispose]()
      closeSync(fd)
      if (!finished) rmSync(temporary, { force: true })
    },
  }
}

/** Where everything will be: the sizes are known, so nothing has to wait for what comes before it. */
function arrange(content: readonly Descriptor[]): {
  readonly places: ReadonlyMap<Digest, Place>
  readonly start: Buffer
  readonly end: number
} {
  const directories = blobDirectories(content.map(({ digest }) => digest))
  const start = Buffer.concat(directories.map((directory) => memberHeader(directory, 0)))
  const places = new Map<Digest, Place>()
  let at = start.length
  for (const blob of [...content].sort((a, b) => (a.digest < b.digest ? -1 : 1))) {
    const header = memberHeader(blobPath(blob.digest), blob.size)
    places.set(blob.digest, { blob, header, at })
    at += header.length + blob.size + paddingOf(blob.size)
  }
  return { places, start, end: at }
}

/** An archive that lacks something is nothing, and what it took is room for it again. */
function giveRoomBack(fd: number): void {
  try {
    ftruncateSync(fd, 0)
  } catch {
    // A disk that can't even do that: what came before is what to tell.
  }
}

function openNew(path: string, failed: (error: unknown) => OssbError): number {
  try {
    mkdirSync(dirname(path), { recursive: true })
    return openSync(path, 'wx+', 0o644)
  } catch (error) {
    throw failed(error)
  }
}

function textMember(name: string, text: string): Buffer {
  const bytes = Buffer.from(text)
  return Buffer.concat([memberHeader(name, bytes.length), bytes, Buffer.alloc(paddingOf(bytes.length))])
}

function memberHeader(path: string, size: number): Buffer {
  const isDirectory = path.endsWith('/')
  return encodeTarHeader({
    path,
    type: isDirectory ? 'directory' : 'file',
    mode: isDirectory ? 0o755 : path.startsWith('blobs/') ? 0o444 : 0o644,
    uid: 0,
    gid: 0,
    size,
    mtimeNs: 0n,
    linkTarget: '',
    devMajor: 0,
    devMinor: 0,
    xattrs: new Map(),
  })
}

function writeAll(fd: number, bytes: Uint8Array, position: number): void {
  for (let written = 0; written < bytes.length; )
    written += writeSync(fd, bytes, written, bytes.length - written, position + written)
}
