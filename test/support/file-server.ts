import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

type Handler = (request: IncomingMessage, response: ServerResponse) => void

/** An HTTP server on loopback whose answers a test writes itself. */
export interface FileServer extends AsyncDisposable {
  readonly url: string
  /** Paths to what they answer: a body, or whatever a handler does. */
  readonly files: Map<string, string | Uint8Array | Handler>
  /** `METHOD PATH` of each request, with the conditions that it made. */
  readonly requests: string[]
}

export async function startFileServer(): Promise<FileServer> {
  const files: FileServer['files'] = new Map()
  const requests: string[] = []
  const server = createServer((request, response) => {
    const condition = request.headers['if-none-match'] ?? request.headers['if-modified-since']
    requests.push(`${request.method} ${request.url}${condition === undefined ? '' : ` if ${condition}`}`)
    const file = files.get((request.url ?? '').split('?', 1)[0] ?? '')
    if (typeof file === 'function') return file(request, response)
    response.statusCode = file === undefined ? 404 : 200
    response.end(file)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    files,
    requests,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
