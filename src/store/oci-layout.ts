import { createReadStream, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Readable } from 'node:stream'
import { type Descriptor, errnoOf, fileSystemError, type Job, MEDIA_TYPE, OssbError } from '../core/index.ts'
import { createDigestTap, verified, verifiedStream, writeFileAtomic, writeStreamAtomic } from '../io/index.ts'
import {
  type ContentStore,
  type ImageIndex,
  type IngestOptions,
  MAX_DOCUMENT_BYTES,
  parseIndex,
  type ReferrerSource,
} from '../oci/index.ts'
import { type IndexLock, withoutLock } from './index-lock.ts'
import { type LayoutContent, REF_NAME, resolveInLayout } from './layout-content.ts'
import { layoutReferrers, referralIn } from './layout-referrers.ts'
import { storePaths } from './paths.ts'

const LAYOUT = '{"imageLayoutVersion":"1.0.0"}'

/**
 * An OCI image layout in a directory (image-spec image-layout.md) as a repository. Content appears under its name only
 * when it is whole and has the right digest, so several processes may write at once and any may be killed. Names are in
 * one file, which is changed under `lock`.
 */
export function createOciLayout(
  directory: string,
  lock: IndexLock = withoutLock,
): ContentStore & ReferrerSource {
  const paths = storePaths(resolve(directory))
  const content: LayoutContent = {
    where: directory,
    index: () => readLayoutIndex(paths.index),
    document: (digest) => readDocument(paths.blob(digest)),
  }

  const has = (wanted: Descriptor): Promise<boolean> => {
    const size = statSync(paths.blob(wanted.digest), { throwIfNoEntry: false })?.size
    return Promise.resolve(size === wanted.size)
  }

  const open = (wanted: Descriptor): Promise<Readable> => {
    if (!existsSync(paths.blob(wanted.digest))) return Promise.reject(missing(wanted.digest, directory))
    const chunks = createReadStream(paths.blob(wanted.digest), { highWaterMark: 1024 * 1024 })
    // Disks forget, and people edit: what was right when it was written is looked at again when it is read.
    return Promise.resolve(verifiedStream(chunks, wanted, `"${directory}"`))
  }

  const put = async (expected: Descriptor, source: () => Promise<Readable>, job: Job): Promise<void> => {
    if (!(await has(expected))) {
      mark()
      const chunks = verified(await source(), expected, 'its source')
      await writeStreamAtomic(
        paths.blob(expected.digest),
        chunks,
        (temporary) => renameSync(temporary, paths.blob(expected.digest)),
        job,
        { size: expected.size },
      )
    }
    const referral = referralIn(content, expected)
    if (referral !== undefined) await list(referral.referrer, job)
  }

  /** What refers to something else is found by the index, and need have no name there. */
  const list = async (manifest: Descriptor, job: Job): Promise<void> => {
    const isKnown = ({ digest }: Descriptor) => digest === manifest.digest
    if (readLayoutIndex(paths.index).manifests.some(isKnown)) return
    await changeIndex((manifests) => (manifests.some(isKnown) ? manifests : [...manifests, manifest]), job)
  }

  const changeIndex = (
    change: (manifests: ImageIndex['manifests']) => ImageIndex['manifests'],
    job: Job,
  ): Promise<void> =>
    lock(() => {
      const index = readLayoutIndex(paths.index)
      writeFileAtomic(paths.index, JSON.stringify({ ...index, manifests: change(index.manifests) }))
    }, job)

  const ingest = async (
    mediaType: string,
    chunks: AsyncIterable<Uint8Array>,
    job: Job,
    { isKept = true }: IngestOptions = {},
  ): Promise<Descriptor> => {
    mark()
    const tap = createDigestTap()
    return await writeStreamAtomic(
      join(paths.blobs, 'sha256', 'ingest'),
      tap.through(chunks),
      (temporary) => {
        renameSync(temporary, paths.blob(tap.digest()))
        return { mediaType, digest: tap.digest(), size: tap.size }
      },
      job,
      { isKept },
    )
  }

  const tag = async (manifest: Descriptor, name: string, job: Job): Promise<void> => {
    mark()
    const named = { ...manifest, annotations: { ...manifest.annotations, [REF_NAME]: name } }
    const isOther = (other: Descriptor) => other.annotations?.[REF_NAME] !== name
    await changeIndex((manifests) => [...manifests.filter(isOther), named], job)
  }

  /** Makes the directory a layout, if it is none yet. Its index comes with the first name: two writers can't undo it. */
  const mark = (): void => {
    if (existsSync(paths.layoutMark)) return
    try {
      mkdirSync(join(paths.blobs, 'sha256'), { recursive: true })
      writeFileAtomic(paths.layoutMark, LAYOUT)
    } catch (error) {
      throw fileSystemError(`make an OCI layout in "${directory}"`, error)
    }
  }

  return {
    has,
    open,
    put,
    ingest,
    discard: (blob) => rmSync(paths.blob(blob.digest), { force: true }),
    resolve: async (name) => resolveInLayout(content, name),
    tag,
    referrers: (subject, _job, options = {}) =>
      Promise.resolve(layoutReferrers(content, { ...options, subject })),
  }
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

/** What may be a manifest or index; undefined where it is not here, or too large to be one. */
function readDocument(path: string): Buffer | undefined {
  const stats = statSync(path, { throwIfNoEntry: false })
  return stats?.isFile() && stats.size <= MAX_DOCUMENT_BYTES ? readFileSync(path) : undefined
}

function missing(what: string, directory: string): OssbError {
  return new OssbError('ERR_OSSB_NOT_FOUND', `Cannot find "${what}" in the OCI layout "${directory}"`)
}
