import type { Readable } from 'node:stream'
import {
  type Descriptor,
  type Digest,
  isIndexType,
  isManifestType,
  type Job,
  OssbError,
} from '../core/index.ts'
import { createSemaphore, readAll, verified } from '../io/index.ts'
import { MAX_DOCUMENT_BYTES, type ReferrerSource, type StreamedRepository, referralOf } from '../oci/index.ts'
import { hasBlob, openBlob } from './blobs.ts'
import { explainRefusedTag, ImmutableTag } from './upload/immutable-tag.ts'
import { getManifest, hasManifest, type ManifestContent, openManifest, resolveManifest } from './manifests.ts'
import { createPushedContent } from './upload/pushed-content.ts'
import { explainRefusedFormat, putManifest } from './upload/put-manifest.ts'
import { announceReferrer, listReferrers } from './referrers.ts'
import { removeManifest } from './remove-manifest.ts'
import type { Session } from './session.ts'
import { uploadBlob } from './upload/upload.ts'
import { streamBlob } from './upload/upload-stream.ts'

export interface RemoteRepositoryOptions {
  /** "registry/repository" of a place that has the blob already; used when it is on the same registry. */
  readonly mountFrom?: (blob: Descriptor) => string | undefined
  /** Leaves tags that can't be moved as they are, with a warning, and is told of them; absent makes that an error. */
  readonly skipImmutableTag?: (tag: string) => void
}

/** A repository that also knows what refers to what, and from which manifests can be taken away. */
export interface RemoteRepository extends StreamedRepository, ReferrerSource {
  /**
   * Removes a manifest and with it all tags that it has. Blobs stay until the registry collects its garbage.
   * @throws OssbError ERR_OSSB_NOT_FOUND; ERR_OSSB_REGISTRY where the registry does not allow it
   */
  remove(digest: Digest, job: Job): Promise<void>
}

/** A repository of a registry (distribution-spec): manifests and blobs have an address each, and one contract here. */
export function createRemoteRepository(
  session: Session,
  options: RemoteRepositoryOptions = {},
): RemoteRepository {
  const name = `"${session.registry}/${session.repository}"`
  const pushed = createPushedContent(session)
  // A list of referrers is read, changed and written: by one of us at a time.
  const listing = createSemaphore(1)

  const putDocument = async (
    expected: Descriptor,
    open: () => Promise<Readable>,
    job: Job,
  ): Promise<void> => {
    const content = await readManifest(expected, open, name)
    pushed.keepManifest(content)
    const referral = referralOf(expected, content.bytes)
    // That a manifest is there does not say that its subject's list names it.
    if (referral === undefined && (await hasManifest(session, expected.digest, job))) return
    const put = () => putManifest(session, expected.digest, content, job)
    const { listsSubject } = await pushed.completing(put, job).catch((error: unknown) => {
      throw explainRefusedFormat(error, expected, name)
    })
    if (referral !== undefined && !listsSubject)
      await listing.run(() => announceReferrer(session, referral, job), job.signal)
  }

  const putTag = async (manifest: Descriptor, tag: string, job: Job): Promise<void> => {
    const content = pushed.manifest(manifest.digest) ?? (await getManifest(session, manifest.digest, job))
    try {
      await pushed.completing(() => putManifest(session, tag, content, job), job)
    } catch (error) {
      const reason = await explainRefusedTag(session, { error, tag, content }, job)
      if (reason === undefined) return
      if (!(reason instanceof ImmutableTag) || options.skipImmutableTag === undefined) throw reason
      job.emit({ type: 'warning', rule: 'ImmutableTag', message: `${reason.message}. It was left as it is` })
      options.skipImmutableTag(tag)
    }
  }

  return {
    has: (content, job) =>
      session.explained(
        `look for ${kindOf(content)} ${content.digest} in ${name}`,
        () =>
          isDocument(content)
            ? hasManifest(session, content.digest, job)
            : hasBlob(session, content.digest, job),
        job,
      ),

    open: (content, job) =>
      isDocument(content)
        ? session.explained(
            `pull manifest ${content.digest} from ${name}`,
            () => openManifest(session, content, job),
            job,
          )
        : openBlob(session, content, job),

    put: (expected, open, job) =>
      session.explained(
        `push ${kindOf(expected)} ${expected.digest} to ${name}`,
        async () => {
          if (isDocument(expected)) return putDocument(expected, open, job)
          const upload = { blob: expected, open, ...mountOf(expected) }
          pushed.keepBlob(upload)
          await uploadBlob(session, upload, job)
        },
        job,
      ),

    stream: (blob, job) =>
      session.explained(`push a blob to ${name}`, () => streamBlob(session, blob, job), job),

    resolve: (reference, job) =>
      session.explained(
        `find "${reference}" in ${name}`,
        () => resolveManifest(session, reference, job),
        job,
      ),

    tag: (manifest, tag, job) =>
      session.explained(
        `give ${manifest.digest} the tag "${tag}" in ${name}`,
        () => putTag(manifest, tag, job),
        job,
      ),

    referrers: (subject, job, referrerOptions = {}) =>
      session.explained(
        `list what refers to ${subject} in ${name}`,
        () => listReferrers(session, subject, referrerOptions, job),
        job,
      ),

    remove: (digest, job) =>
      session.explained(
        `remove manifest ${digest} from ${name}`,
        () => listing.run(() => removeManifest(session, digest, job), job.signal),
        job,
      ),
  }

  function mountOf(blob: Descriptor): { readonly mountFrom?: string } {
    const origin = options.mountFrom?.(blob)
    const prefix = `${session.registry}/`
    if (origin === undefined || !origin.startsWith(prefix)) return {}
    const mountFrom = origin.slice(prefix.length)
    return mountFrom === session.repository ? {} : { mountFrom }
  }
}

function isDocument({ mediaType }: Descriptor): boolean {
  return isManifestType(mediaType) || isIndexType(mediaType)
}

function kindOf(content: Descriptor): string {
  return isDocument(content) ? 'manifest' : 'blob'
}

async function readManifest(
  expected: Descriptor,
  open: () => Promise<Readable>,
  name: string,
): Promise<ManifestContent> {
  if (expected.size > MAX_DOCUMENT_BYTES)
    throw new OssbError(
      'ERR_OSSB_IMAGE_INVALID',
      `Cannot push manifest ${expected.digest} to ${name}: it is larger than ${MAX_DOCUMENT_BYTES} bytes`,
    )
  const chunks = verified(await open(), expected, 'what was to be pushed')
  const bytes = await readAll(chunks, MAX_DOCUMENT_BYTES, `manifest ${expected.digest}`)
  return { descriptor: expected, bytes }
}
