import { OssbError } from '../../core/index.ts'
import { isForbiddenAddress, isLoopback } from './origin.ts'
import { type HttpRequest, type HttpResponse, isInsecure, type Transport } from './transport.ts'

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])
const MAX_HOPS = 10

/**
 * Sends a GET or HEAD and follows up to ten redirects. Only the first origin ever sees the Authorization header;
 * never from https to http, and never from outside to this machine or to an address that serves cloud credentials.
 * @throws OssbError ERR_OSSB_REGISTRY that shows the chain
 */
export async function sendFollowing(
  transport: Transport,
  request: HttpRequest,
  insecureRegistries: readonly string[],
): Promise<HttpResponse> {
  let current = request
  const chain = [request.url]
  for (;;) {
    const response = await transport.send(current)
    if (!REDIRECTS.has(response.status)) return response
    const location = response.headers('location')[0]
    await response.discard()
    const next = location === undefined ? undefined : parseLocation(location, current.url)
    const refusal =
      whyNot(next, current.url, insecureRegistries) ??
      (chain.length > MAX_HOPS ? 'there are more than ten' : undefined)
    if (next !== undefined) chain.push(next)
    if (next === undefined || refusal !== undefined) throw refused(chain, refusal)
    const namedBy = next.origin === request.url.origin ? (request.namedBy ?? 'user') : 'server'
    current = { ...current, url: next, headers: headersFor(next, request), namedBy }
  }
}

function parseLocation(location: string, base: URL): URL | undefined {
  return URL.canParse(location, base.href) ? new URL(location, base) : undefined
}

function whyNot(next: URL | undefined, from: URL, insecureRegistries: readonly string[]): string | undefined {
  if (next === undefined) return 'its Location header is missing or not a URL'
  if (from.protocol === 'https:' && next.protocol === 'http:' && !isInsecure(from.host, insecureRegistries))
    return 'it leads from https to http'
  return whyNotThere(next, from.host)
}

/** Why a URL that a server at `host` gave is not asked for; `undefined` if it is. */
export function whyNotThere(url: URL, host: string): string | undefined {
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return `"${url.protocol}" is not followed`
  if (isForbiddenAddress(url.host)) return 'it leads to a link-local or metadata address'
  if (isLoopback(url.host) && !isLoopback(host)) return 'it leads from another machine to this one'
  return undefined
}

function headersFor(next: URL, request: HttpRequest): HttpRequest['headers'] {
  if (next.origin === request.url.origin) return request.headers
  return Object.fromEntries(Object.entries(request.headers).filter(([name]) => name !== 'authorization'))
}

function refused(chain: readonly URL[], why = 'refused'): OssbError {
  const shown = chain.map((url) => `${url.origin}${url.pathname}`).join(' -> ')
  return new OssbError('ERR_OSSB_REGISTRY', `Cannot follow a redirect: ${why} (${shown})`)
}
