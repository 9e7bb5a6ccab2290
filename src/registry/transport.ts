import type { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { hostName } from './origin.ts'
import { proxyFor } from './proxy.ts'
import { type ReachOptions, requireReach } from './reach.ts'
import { createTrust, type Trust } from './tls-trust.ts'

/** A request body: bytes, or something that can be opened again for each attempt. */
export type Body = Uint8Array | (() => Promise<Readable>)

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE'
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Body
  readonly signal: AbortSignal
  /** How long to wait for an answer once the request is sent, in milliseconds. */
  readonly answerWithinMs?: number
}

export interface HttpResponse {
  readonly status: number
  /** Where the answer came from, after redirects. */
  readonly url: URL
  /** All values of a header; `name` in lower case. */
  headers(name: string): readonly string[]
  readonly body: Readable
  /** Lets the connection be used again without reading the body. */
  discard(): Promise<void>
}

/** Sends one request and gives its answer, whatever its status. Follows no redirect, retries nothing, knows no secret. */
export interface Transport extends AsyncDisposable {
  send(request: HttpRequest): Promise<HttpResponse>
}

export interface TransportOptions extends ReachOptions {
  readonly insecureRegistries: readonly string[]
  /** Milliseconds without progress after which a connection counts as dead. */
  readonly stallMs: number
}

const CONNECT_MS = 15_000
const MAX_HEADER_BYTES = 64 * 1024
const DISCARD_BYTES = 64 * 1024

/** HTTP over undici, with one connection pool, set of trusted authorities and proxy for each origin. */
export function createTransport(options: TransportOptions): Transport {
  const trust = createTrust(options.environment)
  const dispatchers = new Map<string, Promise<Dispatcher>>()

  const dispatcherFor = (url: URL): Promise<Dispatcher> => {
    const known = dispatchers.get(url.origin)
    if (known !== undefined) return known
    const created = createDispatcher(url, trust, options)
    dispatchers.set(url.origin, created)
    return created
  }

  return {
    async send(request) {
      // Nothing else opens a connection: redirects, token realms and uploads all come by here.
      requireReach(request.url, options)
      const [{ request: send }, dispatcher] = await Promise.all([
        import('undici'),
        dispatcherFor(request.url),
      ])
      const body = typeof request.body === 'function' ? await request.body() : request.body
      const answer = await send(request.url, {
        dispatcher,
        method: request.method,
        headers: request.headers,
        body: body ?? null,
        // A signal of its own: Node warns about listeners that many requests put on one.
        signal: AbortSignal.any([request.signal]),
        headersTimeout: request.answerWithinMs ?? options.stallMs,
        bodyTimeout: options.stallMs,
      })
      return toResponse(answer, request.url)
    },
    async [Symbol.asyncDispose]() {
      const settled = await Promise.allSettled(dispatchers.values())
      await Promise.all(settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value.destroy()] : [])))
    },
  }
}

function toResponse(answer: Dispatcher.ResponseData, url: URL): HttpResponse {
  // An error counts where the body is read; one that nobody reads must not end the process.
  answer.body.on('error', () => {})
  return {
    status: answer.statusCode,
    url,
    headers: (name) => [answer.headers[name] ?? []].flat(),
    body: answer.body,
    discard: () => answer.body.dump({ limit: DISCARD_BYTES }),
  }
}

/** True when the user allowed this host to be spoken to without a trusted certificate. */
export function isInsecure(host: string, insecureRegistries: readonly string[]): boolean {
  const wanted = host.toLowerCase()
  return insecureRegistries.some((entry) => {
    const allowed = entry.toLowerCase()
    return allowed === wanted || allowed === hostName(wanted)
  })
}

async function createDispatcher(url: URL, trust: Trust, options: TransportOptions): Promise<Dispatcher> {
  const { Agent, ProxyAgent } = await import('undici')
  const tls = url.protocol === 'https:' ? await tlsFor(url, trust, options) : {}
  const common = { maxHeaderSize: MAX_HEADER_BYTES, allowH2: false }
  const proxy = proxyFor(url, options.environment)
  if (proxy === undefined) return new Agent({ ...common, connect: { ...tls, timeout: CONNECT_MS } })
  return new ProxyAgent({
    ...common,
    uri: proxy,
    // Many proxies refuse CONNECT to anything but port 443.
    proxyTunnel: url.protocol === 'https:',
    requestTls: tls,
    ...(proxy.startsWith('https:') ? { proxyTls: await tlsFor(new URL(proxy), trust, options) } : {}),
  })
}

async function tlsFor(url: URL, trust: Trust, { insecureRegistries }: TransportOptions) {
  return {
    secureContext: await trust.contextFor(url.host),
    rejectUnauthorized: !isInsecure(url.host, insecureRegistries),
  }
}
