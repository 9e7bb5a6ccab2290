import { createSign, randomUUID, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface TokenServerOptions {
  readonly issuer: string
  readonly service: string
  readonly certFile: string
  readonly keyFile: string
  readonly user: string
  readonly password: string
  /** Seconds that a token lives; 300 when absent. */
  readonly lifetime?: number
  /** Repositories that tokens give no access to, whatever is asked for. */
  readonly denied?: readonly string[]
  /** What every POST is answered with, where the OAuth 2 form is not served. */
  readonly refusePost?: number
}

export interface TokenServer {
  readonly realm: string
  /** What was asked for, in order: `GET alice repository:x:pull`. */
  readonly requests: string[]
  stop(): Promise<void>
}

/** A token server for docker-registry: RS256 tokens whose certificate travels in the x5c header. */
export async function startTokenServer(options: TokenServerOptions): Promise<TokenServer> {
  const requests: string[] = []
  const server = createServer((request, response) => {
    answer(request, options, requests).then(
      ({ status, body }) => reply(response, status, body),
      (error: unknown) => reply(response, 500, { error: String(error) }),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    realm: `http://127.0.0.1:${port}/token`,
    requests,
    async stop() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

interface Asked {
  readonly scopes: readonly string[]
  readonly user: string
  readonly allowed: boolean
}

async function answer(request: IncomingMessage, options: TokenServerOptions, requests: string[]) {
  const asked = request.method === 'POST' ? await fromForm(request, options) : fromQuery(request, options)
  requests.push(`${request.method} ${asked.user} ${asked.scopes.join(' ')}`)
  if (request.method === 'POST' && options.refusePost !== undefined)
    return { status: options.refusePost, body: {} }
  if (!asked.allowed)
    return { status: 401, body: { errors: [{ code: 'UNAUTHORIZED', message: 'wrong password' }] } }
  const lifetime = options.lifetime ?? 300
  const token = sign(asked, options, lifetime)
  return { status: 200, body: { token, access_token: token, expires_in: lifetime } }
}

function fromQuery(request: IncomingMessage, { user, password }: TokenServerOptions): Asked {
  const url = new URL(request.url ?? '', 'http://localhost')
  const header = request.headers.authorization
  const given = header === undefined ? '' : Buffer.from(header.replace(/^Basic /, ''), 'base64').toString()
  return {
    scopes: url.searchParams.getAll('scope').flatMap((scope) => scope.split(' ')),
    // A refresh token may come as a password without a user.
    user: given === `:${password}` ? user : (given.split(':')[0] ?? ''),
    allowed: header === undefined || [`${user}:${password}`, `:${password}`].includes(given),
  }
}

async function fromForm(request: IncomingMessage, { user, password }: TokenServerOptions): Promise<Asked> {
  const parts: Buffer[] = []
  for await (const part of request as AsyncIterable<Buffer>) parts.push(part)
  const form = new URLSearchParams(Buffer.concat(parts).toString())
  return {
    scopes: (form.get('scope') ?? '').split(' ').filter((scope) => scope !== ''),
    user,
    allowed: form.get('refresh_token') === password,
  }
}

function sign({ scopes, user }: Asked, options: TokenServerOptions, lifetime: number): string {
  const now = Math.floor(Date.now() / 1000)
  const certificate = new X509Certificate(readFileSync(options.certFile))
  const header = { typ: 'JWT', alg: 'RS256', x5c: [certificate.raw.toString('base64')] }
  const claims = {
    iss: options.issuer,
    sub: user,
    aud: options.service,
    // The registry allows for a skew of 60 s, which would hide that a token has expired.
    exp: lifetime < 60 ? now + lifetime - 60 : now + lifetime,
    nbf: now - 120,
    iat: now - 120,
    jti: randomUUID(),
    // Only the user may do anything.
    access: user === '' ? [] : scopes.map(accessOf).filter(({ name }) => !options.denied?.includes(name)),
  }
  const body = [header, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')
  return `${body}.${createSign('RSA-SHA256').update(body).sign(readFileSync(options.keyFile)).toString('base64url')}`
}

function accessOf(scope: string) {
  const first = scope.indexOf(':')
  const last = scope.lastIndexOf(':')
  return {
    type: scope.slice(0, first),
    name: scope.slice(first + 1, last),
    actions: scope.slice(last + 1).split(','),
  }
}
