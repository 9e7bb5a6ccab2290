import { createReadStream, existsSync, mkdirSync, readFileSync, renameSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { Readable } from 'node:stream'
import {
  type Descriptor,
  type Digest,
  errnoOf,
  fileSystemError,
  isDigest,
  type Job,
  MEDIA_TYPE,
  OssbError,
} from '../core/index.ts'
import { createDigestTap, verified, writeFileAtomic, writeStreamAtomic } from '../io/index.ts'
import { type ContentStore, type ImageIndex, MAX_DOCUMENT_BYTES, parseIndex } from '../oci/index.ts'
import { storePaths } from './paths.ts'

const LAYOUT = '{"imageLayoutVersion":"1.0.0"}'
const REF_NAME = 'org.opencontainers.image.ref.name'

/**
 * An OCI image layout in a directory (image-spec image-layout.md) as a repository. Content appears under its name only
 * when it is whole and has the right digest, so several processes may write at once and any may be killed.
 */
export function createOciLayout(directory: string): ContentStore {
  const paths = storePaths(resolve(directory))

  const has = (content: Descriptor): Promise<boolean> => {
    const size = statSync(paths.blob(content.digest), { throwIfNoEntry: false })?.size
    return Promise.resolve(size === content.size)
  }

  const open = (content: Descriptor): Promise<Readable> => {
    if (!existsSync(paths.blob(content.digest))) return Promise.reject(missing(content.digest, directory))
    const chunks = createReadStream(paths.blob(content.digest), { highWaterMark: 1024 * 1024 })
    // Disks forget, and people edit: what was right when it was written is looked at again when it is read.
    return Promise.resolve(Readable.from(verified(chunks, content, `"${directory}"`), { objectMode: false }))
  }

  const put = async (expected: Descriptor, source: () => Promise<Readable>, job: Job): Promise<void> => {
    if (await has(expected)) return
    mark()
    const chunks = verified(await source(), expected, 'its source')
    await writeStreamAtomic(
      paths.blob(expected.digest),
      chunks,
      (temporary) => renameSync(temporary, paths.blob(expected.digest)),
      job,
    )
  }

  const ingest = async (
    mediaType: string,
    chunks: AsyncIterable<Uint8Array>,
    job: Job,
  ): Promise<Descriptor> => {
    mark()
    const tap = createDigestTap()
    return await writeStreamAtomic(
      `${paths.blobs}/ingest`,
      tap.through(chunks),
      (temporary) => {
        renameSync(temporary, paths.blob(tap.digest()))
        return { mediaType, digest: tap.digest(), size: tap.size }
      },
      job,
    )
  }

  const resolveName = (tagOrDigest: string): Promise<Descriptor> => {
    const manifests = readLayoutIndex(paths.index).manifests
    // A layout that holds one image needs no name for it.
    if (tagOrDigest === '' && manifests.length === 1 && manifests[0] !== undefined)
      return Promise.resolve(manifests[0])
    const found = isDigest(tagOrDigest)
      ? (manifests.find((manifest) => manifest.digest === tagOrDigest) ??
        describeBlob(paths.blob(tagOrDigest), tagOrDigest))
      : manifests.findLast((manifest) => manifest.annotations?.[REF_NAME] === tagOrDigest)
    return found === undefined ? Promise.reject(missing(tagOrDigest, directory)) : Promise.resolve(found)
  }

  const tag = (manifest: Descriptor, name: string): Promise<void> => {
    mark()
    const index = readLayoutIndex(paths.index)
    const others = index.manifests.filter((other) => other.annotations?.[REF_NAME] !== name)
    const named = { ...manifest, annotations: { ...manifest.annotations, [REF_NAME]: name } }
    writeFileAtomic(paths.index, JSON.stringify({ ...index, manifests: [...others, named] }))
    return Promise.resolve()
  }

  /** Makes the directory a layout, if it is none yet. Its index comes with the first name: two writers can't undo it. */
  const mark = (): void => {
    if (existsSync(paths.layoutMark)) return
    try {
      mkdirSync(paths.blobs, { recursive: true })
      writeFileAtomic(paths.layoutMark, LAYOUT)
    } catch (error) {
      throw fileSystemError(`make an OCI layout in "${directory}"`, error)
    }
  }

  return { has, open, put, ingest, resolve: resolveName, tag }
}

const EMPTY_INDEX: ImageIndex = { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests: [] }

/** The index of a layout; an empty one where there is none yet. */
export function readLayoutIndex(path: string): ImageIndex {
  try {
    return parseIndex(readFileSync(path), `"${path}"`)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return EMPTY_INDEX
    throw error
  }
}

/** A manifest or index that no name stands for: its media type is in the document itself. */
function describeBlob(path: string, digest: Digest): Descriptor | undefined {
  const size = statSync(path, { throwIfNoEntry: false })?.size
  if (size === undefined || size > MAX_DOCUMENT_BYTES) return undefined
  return describeDocument(readFileSync(path), digest)
}

/** The descriptor of a manifest or index by its content; undefined for anything else. */
export function describeDocument(bytes: Buffer, digest: Digest): Descriptor | undefined {
  const mediaType = mediaTypeOf(bytes.toString('utf8'))
  return mediaType === undefined ? undefined : { mediaType, digest, size: bytes.length }
}

function mediaTypeOf(text: string): string | undefined {
  try {
    const document = JSON.parse(text) as { mediaType?: string; manifests?: unknown; layers?: unknown }
    if (document.mediaType !== undefined) return document.mediaType
    if (document.manifests !== undefined) return MEDIA_TYPE.ociIndex
    return document.layers === undefined ? undefined : MEDIA_TYPE.ociManifest
  } catch {
    return undefined
  }
}

function missing(what: string, directory: string): OssbError {
  return new OssbError('ERR_OSSB_NOT_FOUND', `Cannot find "${what}" in the OCI layout "${directory}"`)
}
