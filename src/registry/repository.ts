import type { Readable } from 'node:stream'
import { type Descriptor, type Digest, isIndexType, isManifestType, OssbError } from '../core/index.ts'
import { readAll, verified } from '../io/index.ts'
import { MAX_DOCUMENT_BYTES, type Repository } from '../oci/index.ts'
import { hasBlob, openBlob } from './blobs.ts'
import {
  getManifest,
  hasManifest,
  type ManifestContent,
  openManifest,
  putManifest,
  resolveManifest,
} from './manifests.ts'
import type { Session } from './session.ts'
import { uploadBlob, withoutSession } from './upload.ts'

export interface RemoteRepositoryOptions {
  /** "registry/repository" of a place that has the blob already; used when it is on the same registry. */
  readonly mountFrom?: (blob: Descriptor) => string | undefined
}

/** Manifests that were put, so that to tag them needs no download. */
const REMEMBERED_BYTES = 16 * 1024 * 1024

/** A repository of a registry (distribution-spec): manifests and blobs have an address each, and one contract here. */
export function createRemoteRepository(session: Session, options: RemoteRepositoryOptions = {}): Repository {
  const name = `"${session.registry}/${session.repository}"`
  const written = createMemory()

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
          if (!isDocument(expected))
            return putBlob(session, { blob: expected, open, ...mountOf(expected) }, job)
          if (await hasManifest(session, expected.digest, job)) return
          const content = await readManifest(expected, open, name)
          await putManifest(session, expected.digest, content, job)
          written.keep(content)
        },
        job,
      ),

    resolve: (reference, job) =>
      session.explained(
        `find "${reference}" in ${name}`,
        () => resolveManifest(session, reference, job),
        job,
      ),

    tag: (manifest, tag, job) =>
      session.explained(
        `give ${manifest.digest} the tag "${tag}" in ${name}`,
        async () => {
          const content =
            written.recall(manifest.digest) ?? (await getManifest(session, manifest.digest, job))
          await putManifest(session, tag, content, job)
        },
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

async function putBlob(...upload: Parameters<typeof uploadBlob>): Promise<void> {
  try {
    await uploadBlob(...upload)
  } catch (error) {
    throw withoutSession(error)
  }
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

function createMemory() {
  const contents = new Map<Digest, ManifestContent>()
  let size = 0
  return {
    keep(content: ManifestContent): void {
      if (size + content.bytes.length > REMEMBERED_BYTES) return
      size += content.bytes.length
      contents.set(content.descriptor.digest, content)
    },
    recall: (digest: Digest) => contents.get(digest),
  }
}
