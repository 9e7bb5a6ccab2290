import { request } from 'node:http'
import type { Socket } from 'node:net'
import { connectionCode } from './connection-code.ts'
import type { Proxy } from './proxy.ts'

/** A proxy that could not be reached, or would not do its work. */
export class ProxyFailure extends Error {
  /** Of the connection to the proxy; `OSSB_PROXY_BUSY` and `OSSB_PROXY_REFUSED` stand for its answer. */
  readonly code: string
  /** What it answered, if it did. */
  readonly status: number | undefined

  constructor(proxy: Proxy, why: { readonly status: number } | { readonly cause: unknown }) {
    const status = 'status' in why ? why.status : undefined
    super(`the proxy ${proxy.url.origin} ${describe(why)}`, 'cause' in why ? { cause: why.cause } : undefined)
    this.name = 'ProxyFailure'
    this.status = status
    const ofAnswer = (status ?? 0) >= 500 || status === 429 ? 'OSSB_PROXY_BUSY' : 'OSSB_PROXY_REFUSED'
    this.code = ('cause' in why ? connectionCode(why.cause) : undefined) ?? ofAnswer
  }
}

function describe(why: { readonly status: number } | { readonly cause: unknown }): string {
  if ('status' in why)
    return why.status === 407
      ? 'asks for a user and a password (407), or refuses those that were given'
      : `refused the connection (${why.status})`
  const reason = why.cause instanceof Error ? why.cause.message : String(why.cause)
  return `can't be used: ${reason}`
}

export interface TunnelOptions {
  readonly proxy: Proxy
  /** How long the proxy may take to answer, in milliseconds. */
  readonly withinMs: number
  /** Opens a connection to the proxy itself. */
  connect(): Promise<Socket>
}

/** A connection through a proxy to `authority` (host:port; RFC 9110 9.3.6). @throws ProxyFailure */
export async function openTunnel(options: TunnelOptions, authority: string): Promise<Socket> {
  const { proxy } = options
  try {
    const { status, socket } = await ask(options, authority, await options.connect())
    if (status === 200) return socket
    socket.destroy()
    throw new ProxyFailure(proxy, { status })
  } catch (cause) {
    throw cause instanceof ProxyFailure ? cause : new ProxyFailure(proxy, { cause })
  }
}

function ask(
  { proxy, withinMs }: TunnelOptions,
  authority: string,
  connection: Socket,
): Promise<{ readonly status: number; readonly socket: Socket }> {
  const { authorization } = proxy
  return new Promise((resolve, reject) => {
    const asked = request({
      createConnection: () => connection,
      method: 'CONNECT',
      path: authority,
      headers: {
        host: authority,
        ...(authorization === undefined ? {} : { 'proxy-authorization': authorization }),
      },
    })
    const late = setTimeout(() => {
      const error = new Error(`no answer within ${withinMs / 1000} s`)
      asked.destroy(Object.assign(error, { code: 'ETIMEDOUT' }))
    }, withinMs)
    asked.once('close', () => clearTimeout(late))
    asked.once('error', reject)
    asked.once('connect', (answer, socket: Socket, head: Buffer) => {
      clearTimeout(late)
      if (head.length > 0) socket.unshift(head)
      // Whoever uses it next sees what went wrong in between by its state.
      socket.on('error', () => {})
      resolve({ status: answer.statusCode ?? 0, socket })
    })
    asked.end()
  })
}
