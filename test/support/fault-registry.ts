import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createSecureServer, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import { digestOf, hasDigest, isDigest } from '../../src/core/index.ts'

/** What a fault does with a request. `content` is what an honest answer to a GET would hold. */
type Fault =
  | {
      readonly type: 'status'
      readonly status: number
      readonly headers?: Readonly<Record<string, string>>
      readonly body?: string
    }
  /** The honest answer, cut after so many bytes of its body. */
  | { readonly type: 'cut'; readonly after: number }
  /** The honest answer with one bit changed at this place of its body. */
  | { readonly type: 'flip'; readonly at: number }
  /** More bytes than there should be, without a Content-Length. */
  | { readonly type: 'lengthen'; readonly by: number }
  /** The honest answer until so many bytes of its body, then nothing more. */
  | { readonly type: 'stall'; readonly after: number }
  /** The whole content, whatever Range asked for. */
  | { readonly type: 'ignore-range' }
  /** A partial answer whose Content-Range is not what was asked for. */
  | { readonly type: 'wrong-range' }
  /** Neither reads the request nor answers. */
  | { readonly type: 'deaf' }
  /** No answer: before the request was carried out, or after. */
  | { readonly type: 'reset'; readonly after?: 'request' }
  /** Whatever a test wants. */
  | { readonly type: 'custom'; readonly answer: (exchange: CustomExchange) => void }

export interface CustomExchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** The body of the honest answer. */
  readonly content: Buffer
}

export interface FaultRow {
  /** `*` for any. */
  readonly method: string
  /** Matched against the path with its query. */
  readonly path: RegExp
  /** How many requests that match are let through first. */
  readonly skip?: number
  /** How often it strikes; absent is for ever. */
  readonly times?: number
  readonly answer: Fault
}

interface SeenRequest {
  readonly method: string
  readonly path: string
  readonly authorization: string | undefined
  readonly range: string | undefined
  readonly cookie: string | undefined
}

export interface FaultRegistry {
  readonly host: string
  readonly seen: readonly SeenRequest[]
  /** Content by digest, and manifests by `repository:tag` and by digest. */
  readonly blobs: Map<string, Buffer>
  readonly manifests: Map<string, { readonly mediaType: string; readonly bytes: Buffer }>
  /** Ends all faults. */
  heal(): void
  stop(): Promise<void>
}

export interface FaultRegistryOptions {
  readonly faults?: readonly FaultRow[]
  /** How the Location of an upload session is written; the honest one is a path. */
  readonly location?: (path: string, host: string) => string | undefined
  /** Port on loopback; a free one when absent. */
  readonly port?: number
  /** Serve HTTPS. */
  readonly tls?: ServerOptions
}

/** A small registry in this process that keeps its content in memory and goes wrong as a table says. */
export async function startFaultRegistry(options: FaultRegistryOptions = {}): Promise<FaultRegistry> {
  const state: State = {
    options,
    seen: [],
    blobs: new Map(),
    manifests: new Map(),
    matched: new Map(),
    sessions: 0,
    isHealed: false,
    host: '',
  }
  const listener = (request: IncomingMessage, response: ServerResponse) => {
    handle(state, request, response).catch((error: unknown) => response.destroy(error as Error))
  }
  const server =
    options.tls === undefined ? createServer(listener) : createSecureServer(options.tls, listener)
  server.listen(options.port ?? 0, '127.0.0.1')
  await once(server, 'listening')
  state.host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    host: state.host,
    seen: state.seen,
    blobs: state.blobs,
    manifests: state.manifests,
    heal: () => {
      state.isHealed = true
    },
    stop: () => close(server),
  }
}

async function close(server: Server): Promise<void> {
  server.closeAllConnections()
  server.close()
  await once(server, 'close')
}

interface State {
  readonly options: FaultRegistryOptions
  readonly seen: SeenRequest[]
  readonly blobs: Map<string, Buffer>
  readonly manifests: Map<string, { readonly mediaType: string; readonly bytes: Buffer }>
  readonly matched: Map<FaultRow, number>
  sessions: number
  isHealed: boolean
  host: string
}

interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer
}

async function handle(state: State, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method = 'GET', url: path = '/' } = request
  const { authorization, range, cookie } = request.headers
  state.seen.push({ method, path, authorization, range, cookie })
  const fault = strike(state, method, path)
  if (fault?.type === 'status') return refuse(request, response, fault)
  if (fault?.type === 'deaf') return
  if (fault?.type === 'reset' && fault.after === undefined) return void request.socket.destroy()
  const answer = answerTo(state, request, await bodyOf(request))
  if (fault?.type === 'reset') return void request.socket.destroy()
  if (fault?.type === 'custom')
    return fault.answer({ request, response, content: answer.body ?? Buffer.alloc(0) })
  send(response, request, answer, fault)
}

function strike(state: State, method: string, path: string): Fault | undefined {
  if (state.isHealed) return undefined
  for (const row of state.options.faults ?? []) {
    if (row.method !== '*' && row.method !== method) continue
    if (!row.path.test(path)) continue
    const matched = state.matched.get(row) ?? 0
    state.matched.set(row, matched + 1)
    const skip = row.skip ?? 0
    if (matched >= skip && matched < skip + (row.times ?? Number.POSITIVE_INFINITY)) return row.answer
  }
  return undefined
}

/** The body is read first: a client that is still sending would see a broken connection and not the answer. */
async function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  fault: Extract<Fault, { type: 'status' }>,
): Promise<void> {
  await bodyOf(request)
  response
    .writeHead(fault.status, { ...fault.headers })
    .end(request.method === 'HEAD' ? undefined : fault.body)
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of request as AsyncIterable<Buffer>) parts.push(part)
  return Buffer.concat(parts)
}

const UNKNOWN = (code: string): Answer => ({
  status: 404,
  headers: { 'content-type': 'application/json' },
  body: Buffer.from(JSON.stringify({ errors: [{ code, message: 'not here' }] })),
})

function answerTo(state: State, request: IncomingMessage, body: Buffer): Answer {
  const url = new URL(request.url ?? '/', 'http://localhost')
  const [, repository = '', kind = '', reference = ''] =
    /^\/v2\/(.+)\/(manifests|blobs)\/(.+)$/.exec(url.pathname) ?? []
  if (url.pathname === '/v2/') return { status: 200 }
  if (kind === 'manifests') return manifestAnswer(state, request, { repository, reference, body })
  if (reference.startsWith('uploads/')) return uploadAnswer(state, request, { repository, url, body })
  if (kind === 'blobs') return blobAnswer(state, reference)
  return UNKNOWN('NAME_UNKNOWN')
}

function blobAnswer(state: State, digest: string): Answer {
  const body = state.blobs.get(digest)
  return body === undefined ? UNKNOWN('BLOB_UNKNOWN') : { status: 200, body }
}

function manifestAnswer(
  state: State,
  request: IncomingMessage,
  { repository, reference, body }: { repository: string; reference: string; body: Buffer },
): Answer {
  const key = isDigest(reference) ? reference : `${repository}:${reference}`
  if (request.method === 'PUT') {
    const manifest = { mediaType: request.headers['content-type'] ?? '', bytes: body }
    if (isDigest(reference) && !hasDigest(body, reference)) return { status: 400 }
    state.manifests.set(key, manifest).set(digestOf(body), manifest)
    // Like distribution it goes by SHA-256, whatever it was asked for.
    return { status: 201, headers: { 'docker-content-digest': digestOf(body) } }
  }
  const found = state.manifests.get(key)
  if (found === undefined) return UNKNOWN('MANIFEST_UNKNOWN')
  return {
    status: 200,
    headers: { 'content-type': found.mediaType, 'docker-content-digest': digestOf(found.bytes) },
    body: found.bytes,
  }
}

function uploadAnswer(
  state: State,
  request: IncomingMessage,
  { repository, url, body }: { repository: string; url: URL; body: Buffer },
): Answer {
  if (request.method === 'POST') {
    state.sessions += 1
    const path = `/v2/${repository}/blobs/uploads/${state.sessions}?_state=a%2Bb%3D`
    const location = state.options.location === undefined ? path : state.options.location(path, state.host)
    return { status: 202, ...(location === undefined ? {} : { headers: { location } }) }
  }
  if (request.method === 'DELETE') return { status: 204 }
  const digest = url.searchParams.get('digest') ?? ''
  const stateIsKept = url.search.startsWith('?_state=a%2Bb%3D&')
  if (!stateIsKept || !(isDigest(digest) && hasDigest(body, digest)))
    return {
      status: 400,
      headers: { 'content-type': 'application/json' },
      body: Buffer.from(
        JSON.stringify({ errors: [{ code: stateIsKept ? 'DIGEST_INVALID' : 'BLOB_UPLOAD_INVALID' }] }),
      ),
    }
  state.blobs.set(digest, body)
  return { status: 201 }
}

function send(
  response: ServerResponse,
  request: IncomingMessage,
  answer: Answer,
  fault: Fault | undefined,
): void {
  const whole = answer.body ?? Buffer.alloc(0)
  const asked = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '')
  const from = asked === null || fault?.type === 'ignore-range' ? 0 : Number(asked[1])
  const partial = from > 0 && answer.status === 200
  const body = partial ? whole.subarray(from) : whole
  const start = fault?.type === 'wrong-range' ? from + 1 : from
  response.writeHead(partial ? 206 : answer.status, {
    ...answer.headers,
    ...(partial ? { 'content-range': `bytes ${start}-${whole.length - 1}/${whole.length}` } : {}),
    ...(fault?.type === 'lengthen' ? {} : { 'content-length': String(body.length) }),
  })
  if (request.method === 'HEAD') return void response.end()
  spoil(response, body, fault)
}

function spoil(response: ServerResponse, body: Buffer, fault: Fault | undefined): void {
  switch (fault?.type) {
    case 'cut':
      response.write(body.subarray(0, fault.after), () => response.destroy())
      return
    case 'stall':
      response.write(body.subarray(0, fault.after))
      return
    case 'flip': {
      const wrong = Buffer.from(body)
      wrong[fault.at] = (wrong[fault.at] ?? 0) ^ 1
      response.end(wrong)
      return
    }
    case 'lengthen':
      response.end(Buffer.concat([body, Buffer.alloc(fault.by)]))
      return
    case 'status':
    case 'deaf':
    case 'reset':
    case 'ignore-range':
    case 'wrong-range':
    case 'custom':
    case undefined:
      response.end(body)
  }
}
