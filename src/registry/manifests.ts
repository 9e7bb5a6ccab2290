import { Readable } from 'node:stream'
import {
  algorithmOf,
  type Descriptor,
  type Digest,
  digestOf,
  isDigest,
  isIndexType,
  isManifestType,
  type Job,
  MEDIA_TYPE,
  OssbError,
} from '../core/index.ts'
import { verified } from '../io/index.ts'
import { MAX_DOCUMENT_BYTES } from '../oci/index.ts'
import type { Session } from './session.ts'
import type { HttpResponse } from './http/transport.ts'

/** Registries answer 404, or convert, when the type that they hold is not in the list. */
const ACCEPT: string = [
  MEDIA_TYPE.ociIndex,
  MEDIA_TYPE.ociManifest,
  MEDIA_TYPE.dockerManifestList,
  MEDIA_TYPE.dockerManifest,
].join(', ')

/** How a digest is named in messages: enough of it to be told from others. */
export function shortDigest(digest: Digest): string {
  return `${digest.slice(0, 'sha256:'.length + 12)}…`
}

export interface ManifestContent {
  readonly descriptor: Descriptor
  readonly bytes: Buffer
}

export async function hasManifest(session: Session, digest: Digest, job: Job): Promise<boolean> {
  const response = await session.send(
    {
      method: 'HEAD',
      target: `manifests/${digest}`,
      headers: { accept: ACCEPT },
      // A virtual repository answers 403 for what is not there.
      expect: [200, 403, 404, 405],
      retry: 'standard',
    },
    job,
  )
  await response.discard()
  return response.status === 200
}

/**
 * Asks for the descriptor only, and where the answer lacks a part of it, for the content. Docker Hub does not count
 * the first as a pull.
 */
export async function resolveManifest(session: Session, reference: string, job: Job): Promise<Descriptor> {
  const response = await session.send(
    {
      method: 'HEAD',
      target: `manifests/${reference}`,
      headers: { accept: ACCEPT },
      expect: [200, 400, 403, 404, 405],
      retry: 'standard',
    },
    job,
  )
  await response.discard()
  const descriptor = response.status === 200 ? stated(response, reference) : undefined
  return descriptor ?? (await getManifest(session, reference, job)).descriptor
}

function stated(response: HttpResponse, reference: string): Descriptor | undefined {
  const digest = response.headers('docker-content-digest')[0] ?? ''
  const length = response.headers('content-length')[0] ?? ''
  const mediaType = mediaTypeOf(response)
  if (!isDigest(digest) || !/^[1-9]\d{0,9}$/.test(length)) return undefined
  if (!isIndexType(mediaType) && !isManifestType(mediaType)) return undefined
  if (isDigest(reference) && reference !== digest) return undefined
  return { mediaType, digest, size: Number(length) }
}

function mediaTypeOf(response: HttpResponse): string {
  return (response.headers('content-type')[0] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''
}

/** The content behind a tag or digest, hashed by us, whatever the registry says about it. */
export async function getManifest(session: Session, reference: string, job: Job): Promise<ManifestContent> {
  const { response, bytes } = await session.read(
    {
      method: 'GET',
      target: `manifests/${reference}`,
      headers: { accept: ACCEPT },
      expect: [200],
      retry: 'standard',
      ...(isDigest(reference) ? { missing: 'once-more' as const } : {}),
    },
    MAX_DOCUMENT_BYTES,
    job,
  )
  const what = `manifest ${reference} of "${session.registry}/${session.repository}"`
  const digest = digestOf(bytes, isDigest(reference) ? algorithmOf(reference) : undefined)
  if (isDigest(reference) && digest !== reference)
    throw new OssbError('ERR_OSSB_INTEGRITY', `Cannot use ${what}: its digest is ${digest}`, {
      hint: 'The content was damaged or replaced on its way, by a proxy or a mirror. Nothing of it was kept.',
    })
  return { descriptor: { mediaType: manifestType(bytes, response, what), digest, size: bytes.length }, bytes }
}

/** The media type in the document, else the header, else what its members look like (image-spec manifest.md). */
function manifestType(bytes: Buffer, response: HttpResponse, what: string): string {
  const document = parseMembers(bytes)
  const header = mediaTypeOf(response)
  for (const type of [document['mediaType'], header])
    if (typeof type === 'string' && (isIndexType(type) || isManifestType(type))) return type
  if ('fsLayers' in document || header.includes('manifest.v1+'))
    throw new OssbError(
      'ERR_OSSB_IMAGE_INVALID',
      `Cannot use ${what}: it is of schema 1, which is no longer supported`,
      {
        hint: 'Rebuild or re-push the image with a current tool: it is in a format from before 2017.',
      },
    )
  if ('manifests' in document) return MEDIA_TYPE.ociIndex
  if ('config' in document && 'layers' in document) return MEDIA_TYPE.ociManifest
  throw new OssbError(
    'ERR_OSSB_IMAGE_INVALID',
    `Cannot use ${what}: it is neither a manifest nor an index ("${header}")`,
  )
}

function parseMembers(bytes: Buffer): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'))
    return value !== null && typeof value === 'object' ? { ...value } : {}
  } catch {
    return {}
  }
}

/** Opens a manifest by descriptor, checked already. What came damaged is asked for once more. */
export async function openManifest(session: Session, wanted: Descriptor, job: Job): Promise<Readable> {
  const get = async () => (await getManifest(session, wanted.digest, job)).bytes
  const bytes = await get().catch((error: unknown) => {
    if (error instanceof OssbError && error.code === 'ERR_OSSB_INTEGRITY') return get()
    throw error
  })
  return Readable.from(
    verified(Readable.from([bytes]), wanted, `"${session.registry}/${session.repository}"`),
  )
}
