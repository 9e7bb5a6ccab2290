import * as v from 'valibot'
import { OssbError } from '../../core/index.ts'
import { readAll } from '../../io/index.ts'
import type { Credential } from './credentials/credential.ts'
import type { Exchange } from '../http/exchange.ts'
import { HttpFailure, readFailure } from '../http/http-failure.ts'
import type { HttpRequest, HttpResponse, Transport } from '../http/transport.ts'

export interface TokenRequest {
  readonly realm: URL
  readonly service?: string
  readonly scopes: readonly string[]
  readonly credential?: Credential
}

/** Access tokens by what they are for. Requests for the same token at the same time share one fetch. */
export interface TokenCache {
  get(request: TokenRequest, signal: AbortSignal): Promise<string>
  /** Drops a token that was refused. */
  forget(token: string): void
}

interface Token {
  readonly value: string
  readonly renewAt: number
}

interface TokenOptions {
  readonly transport: Transport
  readonly exchange: Exchange
  readonly userAgent: string
}

export function createTokenCache(options: TokenOptions): TokenCache {
  const tokens = new Map<string, Token>()
  const flights = new Map<string, Promise<Token>>()

  const fetchOnce = (key: string, request: TokenRequest, signal: AbortSignal): Promise<Token> => {
    const flight =
      flights.get(key) ??
      fetchToken(options, request, signal)
        .then((token) => {
          tokens.set(key, token)
          return token
        })
        .finally(() => flights.delete(key))
    flights.set(key, flight)
    return flight
  }

  return {
    async get(request, signal) {
      const key = keyOf(request)
      const known = tokens.get(key)
      if (known !== undefined && options.exchange.clock.now() < known.renewAt) return known.value
      return (await fetchOnce(key, request, signal)).value
    },
    forget(value) {
      for (const [key, token] of tokens) if (token.value === value) tokens.delete(key)
    },
  }
}

function keyOf({ realm, service, scopes, credential }: TokenRequest): string {
  return JSON.stringify([realm.href, service, [...scopes].sort(), credential?.source])
}

const TOKEN_BYTES = 1024 * 1024
const CLIENT_ID = 'ossb'
/** The specification's default lifetime in seconds, for servers that state none. */
const DEFAULT_SECONDS = 60
/** A server without the POST form of the token request answers with one of these. */
const NO_POST: ReadonlySet<number> = new Set([400, 401, 404, 405])

async function fetchToken(options: TokenOptions, request: TokenRequest, signal: AbortSignal): Promise<Token> {
  if (request.credential?.type !== 'identity-token') return ask(options, getRequest(options, request, signal))
  try {
    return await ask(options, postRequest(options, request, request.credential.token, signal))
  } catch (error) {
    if (!(error instanceof HttpFailure && NO_POST.has(error.status))) throw error
    return ask(options, getRequest(options, request, signal))
  }
}

/** Docker's token protocol (distribution, "Token Authentication Specification"). */
function getRequest(options: TokenOptions, request: TokenRequest, signal: AbortSignal): HttpRequest {
  const url = new URL(request.realm)
  const { credential } = request
  if (request.service !== undefined) url.searchParams.set('service', request.service)
  for (const scope of request.scopes) url.searchParams.append('scope', scope)
  if (credential?.type === 'basic') url.searchParams.set('account', credential.username)
  const headers = { accept: 'application/json', 'user-agent': options.userAgent }
  return {
    method: 'GET',
    url,
    headers: credential === undefined ? headers : { ...headers, authorization: basicHeader(credential) },
    signal,
    namedBy: 'server',
  }
}

/** Docker's OAuth 2 form (distribution, "Oauth2 Token Authentication"). */
function postRequest(
  options: TokenOptions,
  request: TokenRequest,
  token: string,
  signal: AbortSignal,
): HttpRequest {
  const form = new URLSearchParams({
    grant_type: 'refresh_token',
    refresh_token: token,
    client_id: CLIENT_ID,
  })
  if (request.service !== undefined) form.set('service', request.service)
  if (request.scopes.length > 0) form.set('scope', request.scopes.join(' '))
  return {
    method: 'POST',
    url: request.realm,
    headers: {
      accept: 'application/json',
      'content-type': 'application/x-www-form-urlencoded',
      'user-agent': options.userAgent,
    },
    body: Buffer.from(form.toString()),
    signal,
    namedBy: 'server',
  }
}

export function basicHeader(credential: Credential): string {
  const [username, password] =
    credential.type === 'basic' ? [credential.username, credential.password] : ['', credential.token]
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

/** Redirects are not followed: credentials go to the realm that the registry named, and nowhere else. */
async function ask({ transport, exchange }: TokenOptions, request: HttpRequest): Promise<Token> {
  const once = async () => {
    const response = await transport.send(request)
    if (response.status !== 200) throw await readFailure(request.method, response)
    return readToken(response, exchange.clock.now())
  }
  return exchange.run(request.url.host, once, { retry: 'standard' }, request.signal)
}

const tokenDocument = v.object({
  token: v.nullish(v.string()),
  access_token: v.nullish(v.string()),
  expires_in: v.nullish(v.number()),
})

/** The lifetime is counted from the receipt by our own clock: that of the server may be wrong, or ours. */
async function readToken(response: HttpResponse, now: number): Promise<Token> {
  const what = `the token that ${response.url.origin}${response.url.pathname} answered with`
  const bytes = await readAll(response.body, TOKEN_BYTES, what)
  const parsed = v.safeParse(tokenDocument, parseJson(bytes))
  const value = parsed.success ? parsed.output.token || parsed.output.access_token : undefined
  if (!value || /[^\x21-\x7e]/.test(value))
    throw new OssbError('ERR_OSSB_REGISTRY', `Cannot read ${what}: it is not a JSON document with a token`)
  const stated = parsed.success ? (parsed.output.expires_in ?? 0) : 0
  const lifetimeMs = (stated > 0 ? stated : DEFAULT_SECONDS) * 1000
  return { value, renewAt: now + lifetimeMs - Math.min(10_000, lifetimeMs / 5) }
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    return undefined
  }
}
