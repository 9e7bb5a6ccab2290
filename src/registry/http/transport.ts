import type { LookupFunction } from 'node:net'
import type { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { alertOf, createConnector, type TlsOptions, wasReused } from './connector.ts'
import { hostName } from './origin.ts'
import type { TrustOptions } from './own-certificates.ts'
import { type Proxy, proxyFor } from './proxy.ts'
import { type ReachOptions, requireReach } from './reach.ts'
import { createTrust, type Trust } from './tls-trust.ts'
import { ProxyFailure } from './tunnel.ts'

/** A request body: bytes, or something that can be opened again for each attempt. */
export type Body = Uint8Array | (() => Promise<Readable>)

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Body
  readonly signal: AbortSignal
  /** How long to wait for an answer once the request is sent, in milliseconds. */
  readonly answerWithinMs?: number
  /** Whose word the URL is: names that a server gives must not stand for a link-local or metadata address. */
  readonly namedBy?: 'user' | 'server'
  /** `nobody`: the certificate of a server is refused, whatever it is, which shows that there is one. */
  readonly trusting?: 'nobody'
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

export interface TransportOptions extends TrustOptions, ReachOptions {
  readonly insecureRegistries: readonly string[]
  /** Milliseconds without progress after which a connection counts as dead. */
  readonly stallMs: number
  /** How names become addresses; the system's way when absent. */
  readonly lookup?: LookupFunction
}

const MAX_HEADER_BYTES = 64 * 1024
const DISCARD_BYTES = 64 * 1024

/** How often a GET that met a connection which had gone stale is sent again at once. */
const STALE_CONNECTIONS = 3

/** HTTP over undici, with one connection pool, set of trusted authorities and proxy for each origin. */
export function createTransport(options: TransportOptions): Transport {
  const trust = createTrust(options)
  const routes = new Map<string, Promise<Route>>()

  const routeFor = (request: HttpRequest): Promise<Route> => {
    const { url, namedBy = 'user', trusting } = request
    // Without TLS there is nobody to trust: a connection that has knocked serves on.
    const key = `${namedBy} ${url.protocol === 'https:' ? (trusting ?? '') : ''} ${url.origin}`
    const known = routes.get(key) ?? createRoute(request, trust, options)
    routes.set(key, known)
    return known
  }

  const sendOnce = async (request: HttpRequest): Promise<HttpResponse> => {
    const route = await routeFor(request)
    const body = typeof request.body === 'function' ? await request.body() : request.body
    const { request: ask } = await import('./undici.ts')
    const answer = await ask.call(route.dispatcher, {
      ...addressOf(request, route),
      method: request.method,
      body: body ?? null,
      // A signal of its own: Node warns about listeners that many requests put on one.
      signal: AbortSignal.any([request.signal]),
      headersTimeout: request.answerWithinMs ?? options.stallMs,
      bodyTimeout: options.stallMs,
    })
    const response = toResponse(answer, request.url)
    if (route.proxy === undefined || response.status !== 407) return response
    await response.discard()
    throw new ProxyFailure(route.proxy, { status: response.status })
  }

  return {
    async send(request) {
      // Nothing else opens a connection: redirects, token realms and uploads all come by here.
      requireReach(request.url, options)
      for (let stale = 0; ; stale += 1) {
        try {
          return await sendOnce(request)
        } catch (failure) {
          const error = alertOf(failure) ?? failure
          if (request.signal.aborted || stale >= STALE_CONNECTIONS || !wasReused(error)) throw error
          if (request.method !== 'GET' && request.method !== 'HEAD') throw error
        }
      }
    },
    async [Symbol.asyncDispose]() {
      const settled = await Promise.allSettled(routes.values())
      await Promise.all(
        settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value.dispatcher.destroy()] : [])),
      )
    },
  }
}

/** The way to an origin. `proxy` is one that is asked for whole URLs; a tunnel is the dispatcher's own affair. */
interface Route {
  readonly dispatcher: Dispatcher
  readonly proxy?: Proxy
}

function addressOf(
  { url, headers }: HttpRequest,
  { proxy }: Route,
): Pick<Dispatcher.RequestOptions, 'origin' | 'path' | 'headers'> {
  if (proxy === undefined) return { origin: url.origin, path: `${url.pathname}${url.search}`, headers }
  const { authorization } = proxy
  const own = {
    host: url.host,
    ...(authorization === undefined ? {} : { 'proxy-authorization': authorization }),
  }
  // RFC 9112 3.2.2: many proxies refuse CONNECT to anything but port 443.
  const path = `${url.origin}${url.pathname}${url.search}`
  return { origin: proxy.url.origin, path, headers: { ...headers, ...own } }
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

/** True when the user allowed this host to be spoken to without a trusted certificate; `*` allows every host. */
export function isInsecure(host: string, insecureRegistries: readonly string[]): boolean {
  const wanted = host.toLowerCase()
  return insecureRegistries.some((entry) => {
    const allowed = entry.toLowerCase()
    return allowed === '*' || allowed === wanted || allowed === hostName(wanted)
  })
}

async function createRoute(
  { url, namedBy, trusting }: HttpRequest,
  trust: Trust,
  options: TransportOptions,
): Promise<Route> {
  const { Agent } = await import('./undici.ts')
  const proxy = proxyFor(url, options.environment)
  const isTunnel = proxy !== undefined && url.protocol === 'https:'
  const peer = proxy === undefined || isTunnel ? url : proxy.url
  const connect = await createConnector({
    tls: await tlsFor(peer, trust, { ...options, ...(trusting === undefined ? {} : { trusting }) }),
    guarded: namedBy === 'server' && peer === url,
    ...(proxy === undefined || isTunnel ? {} : { to: proxy }),
    ...(options.lookup === undefined ? {} : { lookup: options.lookup }),
    ...(isTunnel ? { tunnel: { proxy, tls: await tlsFor(proxy.url, trust, options) } } : {}),
  })
  const dispatcher = new Agent({ maxHeaderSize: MAX_HEADER_BYTES, allowH2: false, connect })
  return { dispatcher, ...(proxy === undefined || isTunnel ? {} : { proxy }) }
}

async function tlsFor(
  url: URL,
  trust: Trust,
  {
    insecureRegistries,
    trusting,
  }: Pick<TransportOptions, 'insecureRegistries'> & Pick<HttpRequest, 'trusting'>,
): Promise<TlsOptions> {
  if (url.protocol !== 'https:') return {}
  const isUnchecked = isInsecure(url.host, insecureRegistries)
  // To read all the authorities takes as long as a small push.
  const needsNone = isUnchecked || trusting === 'nobody'
  return {
    secureContext: await (needsNone ? trust.identityFor(url.host) : trust.contextFor(url.host)),
    rejectUnauthorized: !isUnchecked,
  }
}
