import { lookup as systemLookup } from 'node:dns'
import type { LookupFunction, Socket } from 'node:net'
import type { SecureContext, TLSSocket } from 'node:tls'
import { callbackify } from 'node:util'
import type { buildConnector } from 'undici'
import { CertificateFailure, certificateOf, isCertificateCode } from './certificate.ts'
import { connectionCode } from './connection-code.ts'
import { hostName, isForbiddenAddress } from './origin.ts'
import type { Proxy } from './proxy.ts'
import { openTunnel, ProxyFailure } from './tunnel.ts'

/** For the connection and its TLS together. */
const CONNECT_MS = 10_000

/** Whom to believe, and who to be; empty for a connection without TLS. */
export interface TlsOptions {
  readonly secureContext?: SecureContext
  readonly rejectUnauthorized?: boolean
}

export interface ConnectorOptions {
  readonly tls: TlsOptions
  readonly lookup?: LookupFunction
  /** Refuse names that stand for an address that no server may send us to. */
  readonly guarded: boolean
  /** Set when the connection is to this proxy itself. */
  readonly to?: Proxy
  /** Through which the connection leads, and what its own connection needs. */
  readonly tunnel?: { readonly proxy: Proxy; readonly tls: TlsOptions }
}

/** How an undici dispatcher opens its connections. */
export type Connector = buildConnector.connector

/** Opens TCP and TLS connections, the TLS ones through a proxy where there is one. */
export async function createConnector(options: ConnectorOptions): Promise<Connector> {
  const { buildConnector: build } = await import('./undici.ts')
  const make = (tls: TlsOptions, guarded: boolean): Connector =>
    build({
      ...tls,
      timeout: CONNECT_MS,
      lookup: lookupFor(options.lookup ?? systemLookup, guarded),
      autoSelectFamily: true,
    })
  const { tunnel } = options
  const plain = make(options.tls, options.guarded && tunnel === undefined)
  const reach = tunnel === undefined ? direct : through(tunnel.proxy, make(tunnel.tls, false))
  const open = (connect: Connector, target: buildConnector.Options): Promise<Socket> =>
    reach(target).then((httpSocket) => opened(connect, { ...target, ...httpSocket }))

  const examine = async (failure: unknown, target: buildConnector.Options): Promise<unknown> => {
    if (options.to !== undefined) return new ProxyFailure(options.to, { cause: failure })
    const code = connectionCode(failure)
    if (failure instanceof ProxyFailure || !isCertificateCode(code)) return failure
    // Node forgets a certificate with the connection that it refuses: this one is for a look only, nothing is sent.
    const look = make({ ...options.tls, rejectUnauthorized: false }, options.guarded)
    const socket = await open(look, target).catch(() => undefined)
    const certificate =
      socket === undefined ? undefined : certificateOf(socket as TLSSocket, code, Date.now())
    socket?.destroy()
    return new CertificateFailure(code, target.host ?? target.hostname, certificate, failure)
  }

  const reaching = callbackify(reach)
  const examining = callbackify(examine)
  return (target, callback) => {
    // The socket goes on at once: a server that refuses a client certificate says so right after the handshake.
    const done: buildConnector.Callback = (...[failure, socket]) =>
      failure === null
        ? callback(null, noteFailures(socket))
        : examining(failure, target, (_none, reason) => callback(reason as Error, null))
    reaching(target, (failure: Error | null, way) =>
      failure === null ? plain({ ...target, ...way }, done) : done(failure, null),
    )
  }
}

type Reach = (target: buildConnector.Options) => Promise<{ readonly httpSocket?: Socket }>

const direct: Reach = () => Promise.resolve({})

function through(proxy: Proxy, connect: Connector): Reach {
  const { protocol, host } = proxy.url
  const hostname = hostName(host)
  const port = proxy.url.port || (protocol === 'https:' ? '443' : '80')
  return async (target) => ({
    httpSocket: await openTunnel(
      { proxy, withinMs: CONNECT_MS, connect: () => opened(connect, { protocol, hostname, host, port }) },
      `${target.hostname}:${target.port || (target.protocol === 'https:' ? '443' : '80')}`,
    ),
  })
}

function opened(connect: Connector, target: buildConnector.Options): Promise<Socket> {
  return new Promise((resolve, reject) => {
    // On failure undici gives no second argument at all.
    connect(target, (...[error, socket]) => (error === null ? resolve(socket) : reject(error)))
  })
}

const failuresOfReused = new WeakSet<Error>()
const alerts = new WeakMap<Error, Error>()

function noteFailures<T extends Socket>(socket: T): T {
  let alert: Error | undefined
  return socket.prependListener('error', (error) => {
    if (connectionCode(error)?.startsWith('ERR_SSL_') === true) alert ??= error
    else if (alert !== undefined) alerts.set(error, alert)
    if (socket.bytesRead > 0) failuresOfReused.add(error)
  })
}

/** The TLS alert that ended a connection, of which undici tells no more than that it ended. */
export function alertOf(error: unknown): Error | undefined {
  return error instanceof Error ? alerts.get(error) : undefined
}

const CLOSED: readonly (string | undefined)[] = ['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET']

/**
 * True when a connection was closed that had served before: servers close those that rest, and may do so at the moment
 * in which the next request is sent.
 */
export function wasReused(error: unknown): boolean {
  return error instanceof Error && CLOSED.includes(connectionCode(error)) && failuresOfReused.has(error)
}

function lookupFor(lookup: LookupFunction, guarded: boolean): LookupFunction {
  if (!guarded) return lookup
  return (hostname, options, callback) =>
    lookup(hostname, options, (error, address, family) => {
      const addresses = typeof address === 'string' ? [{ address, family }] : (address ?? [])
      const forbidden = addresses.find((one) => isForbiddenAddress(bracketed(one.address)))
      if (error !== null || forbidden === undefined) return callback(error, address, family)
      const why = `${hostname} stands for ${forbidden.address}, a link-local or metadata address`
      callback(Object.assign(new Error(why), { code: 'OSSB_FORBIDDEN_ADDRESS' }), address, family)
    })
}

function bracketed(address: string): string {
  return address.includes(':') ? `[${address}]` : address
}
