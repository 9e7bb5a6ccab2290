import { isCertificateCode } from './http/certificate.ts'
import { connectionCode } from './http/connection-code.ts'
import { apiHost, isLoopback } from './http/origin.ts'
import { requireReach } from './http/reach.ts'
import { isInsecure, type Transport, type TransportOptions } from './http/transport.ts'

/** Finds out, once for each registry, whether it is spoken to by https or http. */
export interface Endpoints {
  /** `https://host[:port]` or `http://host[:port]`. */
  baseUrl(registry: string, signal: AbortSignal): Promise<URL>
}

/** What a TLS client sees of a server that speaks plain HTTP, or of a port where nobody listens. */
const NOT_TLS: readonly string[] = [
  'EPROTO',
  'ERR_SSL_WRONG_VERSION_NUMBER',
  'ERR_SSL_PACKET_LENGTH_TOO_LONG',
  'ERR_SSL_HTTP_REQUEST',
  'ECONNREFUSED',
  'ECONNRESET',
  'UND_ERR_SOCKET',
  // Many proxies open no tunnel to a port other than 443, and do speak plain HTTP to it.
  'OSSB_PROXY_REFUSED',
]

/**
 * Plain http is only spoken where the user allowed it, and to this machine; and there only when https is not served.
 * An answer that was found is remembered; a failure is not, as the registry may come up later.
 */
export function createEndpoints(transport: Transport, options: TransportOptions): Endpoints {
  const found = new Map<string, Promise<URL>>()

  const discover = async (host: string, signal: AbortSignal): Promise<URL> => {
    const secure = new URL(`https://${host}`)
    // Before credentials are looked for: a helper may go to the network for them.
    requireReach(secure, options)
    if (!isLoopback(host) && !isInsecure(host, options.insecureRegistries)) return secure
    try {
      await knock(transport, secure, signal)
      return secure
    } catch (error) {
      // There is TLS; what the certificate is worth is for the requests to find out.
      if (isCertificateCode(connectionCode(error))) return secure
      if (!NOT_TLS.includes(connectionCode(error) ?? '')) throw error
      const plain = new URL(`http://${host}`)
      // "Client sent an HTTP request to an HTTPS server": what went wrong with TLS is what matters.
      if ((await knock(transport, plain, signal)) === 400) throw error
      return plain
    }
  }

  return {
    baseUrl(registry, signal) {
      const host = apiHost(registry)
      const known = found.get(host)
      if (known !== undefined) return known
      const discovery = discover(host, signal)
      found.set(host, discovery)
      discovery.catch(() => found.delete(host))
      return discovery
    },
  }
}

/** Any answer will do: it shows that somebody there speaks the protocol. @returns its status */
async function knock(transport: Transport, base: URL, signal: AbortSignal): Promise<number> {
  const url = new URL('/v2/', base)
  const response = await transport.send({ method: 'GET', url, headers: {}, signal, trusting: 'nobody' })
  await response.discard()
  return response.status
}
