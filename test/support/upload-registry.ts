import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Content, createContent, type HonestOptions, honestAnswer } from './upload-registry-content.ts'

/** What becomes of a request that a rule is about. */
export type UploadFault =
  /** This answer, once the body is read; with `early` while it is still being sent, which may also end the connection. */
  | {
      readonly type: 'status'
      readonly status: number
      readonly headers?: Readonly<Record<string, string>>
      readonly body?: string
      readonly early?: 'reads-on' | 'closes'
    }
  /** The connection breaks once so many bytes of the body came; what came of a chunk is kept. */
  | { readonly type: 'reset'; readonly after: number }
  /** Carried out, and the answer gets lost. */
  | { readonly type: 'lost' }
  /** Neither reads the body nor answers; with `reads` it only never answers. */
  | { readonly type: 'deaf'; readonly reads?: true }
  /** Carried out, with another status, or with headers added or (undefined) left out. */
  | {
      readonly type: 'amend'
      readonly status?: number
      readonly headers?: Readonly<Record<string, string | undefined>>
    }

export interface UploadRule {
  readonly method: string
  /** Matched against the path with its query. */
  readonly path?: RegExp
  /** How many requests that match are let through first. */
  readonly skip?: number
  /** How often it strikes; absent is for ever. */
  readonly times?: number
  readonly fault: UploadFault
}

export interface UploadRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  /** How many bytes of its body came. */
  bytes: number
}

export interface UploadRegistry {
  readonly host: string
  readonly seen: readonly UploadRequest[]
  readonly content: Content
  /** `METHOD what` of the requests in order: `POST uploads`, `PUT upload 1`, `PUT manifests/v1`. */
  readonly lines: (method?: string) => readonly string[]
  /** More rules, before those that there are. */
  readonly strike: (...rules: readonly UploadRule[]) => void
  stop(): Promise<void>
}

export type UploadRegistryOptions = HonestOptions & { readonly rules?: readonly UploadRule[] }

/** A registry in memory that knows all of uploads, keeps repositories apart, and goes wrong as its rules say. */
export async function startUploadRegistry(options: UploadRegistryOptions = {}): Promise<UploadRegistry> {
  const seen: UploadRequest[] = []
  const content = createContent()
  const rules = [...(options.rules ?? [])]
  const matched = new Map<UploadRule, number>()
  const state: State = { options, content, seen, rules, matched, host: '' }
  const server = createServer((request, response) => {
    handle(state, request, response).catch(() => response.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  state.host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    host: state.host,
    seen,
    content,
    lines: (method) =>
      seen.filter((one) => method === undefined || one.method === method).map((one) => lineOf(one)),
    strike: (...more) => rules.unshift(...more),
    async stop() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

interface State {
  readonly options: UploadRegistryOptions
  readonly content: Content
  readonly seen: UploadRequest[]
  readonly rules: UploadRule[]
  readonly matched: Map<UploadRule, number>
  host: string
}

function lineOf({ method, path }: UploadRequest): string {
  const [, what = path] = /^\/v2\/[^?]+?\/((?:manifests|blobs|referrers)\/.*)$/.exec(path) ?? []
  return `${method} ${what
    .replace(/^blobs\/uploads\/(\d+).*/, 'upload $1')
    .replace(/^blobs\/uploads\/\?mount=.*/, 'mount')
    .replace(/^blobs\/uploads\/$/, 'uploads')
    .replace(/sha256:\w+/g, 'D')}`
}

function ruleFor({ rules, matched }: State, method: string, path: string): UploadFault | undefined {
  for (const rule of rules) {
    if ((rule.method !== '*' && rule.method !== method) || !(rule.path ?? /./).test(path)) continue
    const count = matched.get(rule) ?? 0
    matched.set(rule, count + 1)
    const skip = rule.skip ?? 0
    if (count >= skip && count < skip + (rule.times ?? Number.POSITIVE_INFINITY)) return rule.fault
  }
  return undefined
}

async function handle(state: State, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method = 'GET', url: path = '/' } = request
  const seen: UploadRequest = { method, path, headers: request.headers, bytes: 0 }
  state.seen.push(seen)
  const fault = ruleFor(state, method, path)
  if (fault?.type === 'deaf' && fault.reads === undefined) return
  if (fault?.type === 'status' && fault.early !== undefined) {
    if (fault.early === 'reads-on') request.resume()
    const close = () => void (fault.early === 'closes' && request.socket.destroy())
    return void response.writeHead(fault.status, { ...fault.headers }).end(fault.body, close)
  }
  const limit = state.options.limit
  if (limit !== undefined && Number(request.headers['content-length'] ?? 0) > limit) {
    request.resume()
    return void response.writeHead(413, { 'content-type': 'text/html' }).end('<h1>413</h1>')
  }
  const body = await bodyOf(request, seen, fault?.type === 'reset' ? fault.after : undefined)
  if (fault?.type === 'deaf') return
  if (fault?.type === 'status')
    return void response
      .writeHead(fault.status, { ...fault.headers })
      .end(method === 'HEAD' ? undefined : fault.body)
  const answer = honestAnswer(state, { method, path, headers: request.headers, body })
  if (fault?.type === 'lost' || fault?.type === 'reset') return void request.socket.destroy()
  const headers = { ...answer.headers, ...(fault?.type === 'amend' ? fault.headers : {}) }
  const status = (fault?.type === 'amend' ? fault.status : undefined) ?? answer.status
  response.writeHead(status, {
    ...Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined)),
    ...(status === 204 ? {} : { 'content-length': String(answer.body?.length ?? 0) }),
  })
  response.end(method === 'HEAD' ? undefined : answer.body)
}

/** The body, or what comes of it until it is cut. */
async function bodyOf(request: IncomingMessage, seen: UploadRequest, after = Number.POSITIVE_INFINITY) {
  const parts: Buffer[] = []
  if (after > 0)
    for await (const part of request as AsyncIterable<Buffer>) {
      parts.push(part)
      seen.bytes += part.length
      if (seen.bytes >= after) break
    }
  return Buffer.concat(parts).subarray(0, after)
}
