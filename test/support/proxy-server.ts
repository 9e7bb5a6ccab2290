import { once } from 'node:events'
import { createServer, request as forward } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { onTestFinished } from 'vitest'

export interface ProxyServerOptions {
  /** `127.0.0.1:PORT` of the server that stands for every other. */
  readonly to: string
  /** `user:password` that it asks for. */
  readonly auth?: string
  /** What it answers to every CONNECT. */
  readonly refuseTunnels?: number
}

export interface ProxyServer {
  /** `127.0.0.1:PORT` */
  readonly host: string
  /** `GET host:port` for each request in the absolute form, `CONNECT host:port` for each tunnel. */
  readonly seen: readonly string[]
}

/** An HTTP proxy; lasts until the end of the test. */
export async function startProxy({ to, auth, refuseTunnels }: ProxyServerOptions): Promise<ProxyServer> {
  const seen: string[] = []
  const expected = auth === undefined ? undefined : `Basic ${Buffer.from(auth).toString('base64')}`
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '')
    seen.push(`${request.method} ${url.host}`)
    const { 'proxy-authorization': given, ...headers } = request.headers
    if (given !== expected) {
      response.writeHead(407).end()
      return
    }
    const target = `http://${to}${url.pathname}${url.search}`
    const { method = 'GET' } = request
    const out = forward(target, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers)
      answer.pipe(response)
    })
    out.once('error', () => response.destroy())
    request.pipe(out)
  })
  server.on('connect', (request, socket) => {
    seen.push(`CONNECT ${request.url}`)
    const refused = request.headers['proxy-authorization'] === expected ? refuseTunnels : 407
    if (refused !== undefined) {
      socket.end(`HTTP/1.1 ${refused} No\r\ncontent-length: 0\r\n\r\n`)
      return
    }
    const upstream = connect(Number(to.split(':')[1]), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      upstream.pipe(socket).on('error', () => upstream.destroy())
      socket.pipe(upstream)
    })
    upstream.on('error', () => socket.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, seen }
}
