import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

export interface Stored {
  readonly mediaType: string
  readonly bytes: Buffer
}

/** What a registry holds. */
export interface Content {
  /** By `repository digest`. */
  readonly blobs: Map<string, Buffer>
  /** By `repository reference`. */
  readonly manifests: Map<string, Stored>
  readonly sessions: Map<string, Buffer>
  opened: number
}

export function createContent(): Content {
  return { blobs: new Map(), manifests: new Map(), sessions: new Map(), opened: 0 }
}

export interface HonestOptions {
  /** Requests with more bytes are answered with 413. */
  readonly limit?: number
  /** OCI-Chunk-Min-Length of uploads. */
  readonly minChunk?: number
  /** The referrers API is there, with so many entries on a page. */
  readonly referrersPage?: number
  /** Tags do not move. */
  readonly immutableTags?: { readonly status: number; readonly body: string }
  /** How the Location of an upload is written; a path when absent. */
  readonly location?: (path: string, host: string) => string | undefined
}

interface Asked {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string | undefined>>
  readonly body?: Buffer
}

interface Registry {
  readonly options: HonestOptions
  readonly content: Content
  readonly host: string
}

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

export function problem(status: number, code: string, detail?: unknown): Answer & { readonly body: Buffer } {
  const body = JSON.stringify({ errors: [{ code, message: 'no', detail }] })
  return { status, headers: { 'content-type': 'application/json' }, body: Buffer.from(body) }
}

/** What a registry answers that does what the distribution specification says. */
export function honestAnswer(registry: Registry, asked: Asked): Answer {
  const url = new URL(asked.path, 'http://localhost')
  const [, repository = '', kind = '', reference = ''] =
    /^\/v2\/(.+?)\/(manifests|blobs|referrers)\/(.*)$/.exec(url.pathname) ?? []
  if (url.pathname === '/v2/') return { status: 200 }
  if (kind === 'manifests') return manifestAnswer(registry, asked, { repository, reference })
  if (kind === 'referrers') return referrersAnswer(registry, { repository, subject: reference, url })
  if (reference.startsWith('uploads/')) return uploadAnswer(registry, asked, { repository, url })
  const bytes = registry.content.blobs.get(`${repository} ${reference}`)
  return bytes === undefined ? problem(404, 'BLOB_UNKNOWN') : { status: 200, body: bytes }
}

function uploadAnswer(
  registry: Registry,
  { method, headers, body }: Asked,
  { repository, url }: { repository: string; url: URL },
): Answer {
  const { content } = registry
  if (method === 'POST') return openUpload(registry, repository, url)
  const id = url.pathname.replace(/.*\//, '')
  const session = content.sessions.get(id)
  if (session === undefined) return problem(404, 'BLOB_UPLOAD_UNKNOWN')
  const path = `/v2/${repository}/blobs/uploads/${id}`
  if (method === 'DELETE') return content.sessions.delete(id) ? { status: 204 } : { status: 404 }
  if (method === 'GET') return { status: 204, headers: progressOf(registry, path, session) }
  const start = /^(\d+)-/.exec(headers['content-range'] ?? '')?.[1]
  if (start !== undefined && Number(start) !== session.length) return problem(416, 'BLOB_UPLOAD_INVALID')
  const all = Buffer.concat([session, body])
  content.sessions.set(id, all)
  if (method === 'PATCH') return { status: 202, headers: progressOf(registry, path, all) }
  content.sessions.delete(id)
  const digest = url.searchParams.get('digest') ?? ''
  if (digestOf(all) !== digest || !url.search.includes('_state=a%2Bb%3D'))
    return problem(400, 'DIGEST_INVALID')
  content.blobs.set(`${repository} ${digest}`, all)
  return { status: 201, headers: { location: `/v2/${repository}/blobs/${digest}` } }
}

function openUpload(registry: Registry, repository: string, url: URL): Answer {
  const { content, options } = registry
  const digest = url.searchParams.get('mount') ?? ''
  const mounted = content.blobs.get(`${url.searchParams.get('from')} ${digest}`)
  if (mounted !== undefined) {
    content.blobs.set(`${repository} ${digest}`, mounted)
    return { status: 201 }
  }
  content.opened += 1
  content.sessions.set(String(content.opened), Buffer.alloc(0))
  const path = `/v2/${repository}/blobs/uploads/${content.opened}`
  const least = options.minChunk === undefined ? {} : { 'oci-chunk-min-length': String(options.minChunk) }
  return { status: 202, headers: { ...progressOf(registry, path, Buffer.alloc(0)), ...least } }
}

/** The state in the address changes with each chunk, so that one that is old shows. */
function progressOf({ options, host }: Registry, path: string, { length }: Buffer) {
  const location = `${path}?_state=a%2Bb%3D&at=${length}`
  return {
    location: options.location === undefined ? location : options.location(location, host),
    range: `0-${Math.max(0, length - 1)}`,
  }
}

function manifestAnswer(
  { content, options }: Registry,
  { method, headers, body }: Asked,
  { repository, reference }: { repository: string; reference: string },
): Answer {
  const key = `${repository} ${reference}`
  const found = content.manifests.get(key)
  if (method === 'PUT') {
    const isMoved = found !== undefined && !found.bytes.equals(body)
    if (isMoved && !reference.startsWith('sha256:') && options.immutableTags !== undefined)
      return { status: options.immutableTags.status, body: Buffer.from(options.immutableTags.body) }
    const missing = missingBlobs(content, repository, body)
    if (missing[0] !== undefined) return problem(400, 'MANIFEST_BLOB_UNKNOWN', missing[0])
    const stored = { mediaType: headers['content-type'] ?? '', bytes: body }
    content.manifests.set(key, stored).set(`${repository} ${digestOf(body)}`, stored)
    const { subject } = JSON.parse(body.toString()) as { subject?: { digest: string } }
    const told = options.referrersPage === undefined ? undefined : subject?.digest
    return { status: 201, headers: { 'docker-content-digest': digestOf(body), 'oci-subject': told } }
  }
  if (found === undefined) return problem(404, 'MANIFEST_UNKNOWN')
  if (method === 'DELETE') {
    for (const [name, stored] of content.manifests) if (stored === found) content.manifests.delete(name)
    return { status: 202 }
  }
  return {
    status: 200,
    headers: { 'content-type': found.mediaType, 'docker-content-digest': digestOf(found.bytes) },
    body: found.bytes,
  }
}

function missingBlobs({ blobs, manifests }: Content, repository: string, body: Buffer): readonly string[] {
  const document = JSON.parse(body.toString()) as Record<'config' | 'layers' | 'manifests', unknown>
  const has = (digest: string) => blobs.has(`${repository} ${digest}`)
  const hasManifest = (digest: string) => manifests.has(`${repository} ${digest}`)
  const digestsOf = (value: unknown) => [value ?? []].flat().map((one) => (one as { digest: string }).digest)
  // An index of referrers names manifests that may be gone.
  if (document.manifests !== undefined)
    return JSON.stringify(document).includes('artifactType')
      ? []
      : digestsOf(document.manifests).filter((digest) => !hasManifest(digest))
  return [...digestsOf(document.config), ...digestsOf(document.layers)].filter((digest) => !has(digest))
}

function referrersAnswer(
  { content, options }: Registry,
  { repository, subject, url }: { repository: string; subject: string; url: URL },
): Answer {
  const size = options.referrersPage
  if (size === undefined)
    return { status: 404, headers: { 'content-type': 'text/plain' }, body: Buffer.from('404 page not found') }
  const all = [...content.manifests]
    .filter(([name, { bytes }]) => name.startsWith(`${repository} sha256:`) && subjectOf(bytes) === subject)
    .map(([name, { mediaType, bytes }]) => ({
      mediaType,
      digest: name.split(' ')[1],
      size: bytes.length,
      artifactType: (JSON.parse(bytes.toString()) as { artifactType?: string }).artifactType,
    }))
  const from = Number(url.searchParams.get('from') ?? 0)
  const more = from + size < all.length
  const document = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: all.slice(from, from + size),
  }
  return {
    status: 200,
    headers: {
      'content-type': document.mediaType,
      // Without quotes, as some write it.
      link: more ? `<${url.pathname}?from=${from + size}>; rel=next` : undefined,
    },
    body: Buffer.from(JSON.stringify(document)),
  }
}

function subjectOf(bytes: Buffer): string | undefined {
  return (JSON.parse(bytes.toString()) as { subject?: { digest: string } }).subject?.digest
}
