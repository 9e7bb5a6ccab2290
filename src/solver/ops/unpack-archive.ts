import { createReadStream } from 'node:fs'
import type { Codec } from '../../codec/index.ts'
import { type Job, OssbError } from '../../core/index.ts'
import type { Owner, SelectedSource } from '../../fs/index.ts'
import { applyLayer, BLOCK_BYTES, isTarHeader } from '../../layer/index.ts'
import type { FileSession } from '../../native/index.ts'
import type { CopyTarget } from './copy-target.ts'

export interface UnpackContext {
  readonly target: CopyTarget
  readonly session: FileSession
  readonly codec: Codec
}

/**
 * Unpacks a local archive of ADD into the destination; answers false for a file that is none, by its content.
 */
export async function unpackArchive(
  source: SelectedSource,
  destination: string,
  owner: Owner | undefined,
  context: UnpackContext,
  job: Job,
): Promise<boolean> {
  if (source.isDirectory || !(await isArchive(source.hostPath, context.codec))) return false
  // What was copied so far is finished by path, and the archive may put something else there.
  await context.target.finish()
  const directory = context.target.makeDirectories(destination, { owner: undefined, mode: 0o755 })
  const tar = context.codec.decompress(readChunks(source.hostPath))
  const options = {
    root: context.target.root,
    directory: directory.slice(context.target.root.length),
    whiteouts: 'literal',
    ...(owner === undefined ? {} : { owner }),
  } as const
  await applyLayer(tar, options, context.session, job)
  return true
}

async function isArchive(path: string, codec: Codec): Promise<boolean> {
  const start = await firstBytes(readChunks(path), 6)
  refuseUnreadable(start, path)
  try {
    const block = await firstBytes(codec.decompress(readChunks(path)), BLOCK_BYTES)
    return isTarHeader(block)
  } catch {
    // Something that only begins like a compressed file is a file like any other.
    return false
  }
}

/** Archives that BuildKit would unpack must not be copied as they are without a word. */
function refuseUnreadable(start: Buffer, path: string): void {
  const name =
    start.toString('latin1', 0, 3) === 'BZh'
      ? 'bzip2'
      : start.toString('hex') === 'fd377a585a00'
        ? 'xz'
        : undefined
  if (name === undefined) return
  throw new OssbError(
    'ERR_OSSB_FILESYSTEM',
    `Cannot unpack "${path}": ADD reads tar, gzip and zstd, and this is ${name}`,
    {
      hint: 'Compress the archive with gzip or zstd, or copy it with COPY and unpack it in a RUN.',
    },
  )
}

function readChunks(path: string): AsyncIterable<Uint8Array> {
  return createReadStream(path, { highWaterMark: 1024 * 1024 })
}

async function firstBytes(chunks: AsyncIterable<Uint8Array>, count: number): Promise<Buffer> {
  let bytes = Buffer.alloc(0)
  for await (const chunk of chunks) {
    bytes = Buffer.concat([bytes, chunk])
    if (bytes.length >= count) break
  }
  return bytes.subarray(0, count)
}
