import { OssbError } from '../../core/index.ts'
import { apiHost, hostName } from './origin.ts'
import { proxyFor } from './proxy.ts'

/** Where connections may go. */
export interface ReachOptions {
  /** The only hosts (`host[:port]`) to connect to: none where it is empty, all where it is absent. */
  readonly allowedHosts?: readonly string[]
  /** Names the proxies, which are connected to in the place of a host. */
  readonly environment: Readonly<Record<string, string | undefined>>
}

const PORTS: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' }

/**
 * Lets pass what may be connected to: the host of the URL and, where it is asked through a proxy, that of the proxy.
 * Called before a name is looked up.
 * @throws OssbError ERR_OSSB_OFFLINE that names the host
 */
export function requireReach(url: URL, { allowedHosts, environment }: ReachOptions): void {
  if (allowedHosts === undefined) return
  const proxy = proxyFor(url, environment)
  for (const hop of [url, ...(proxy === undefined ? [] : [proxy.url])]) {
    if (allowedHosts.some((entry) => isHost(hop, entry))) continue
    const role = hop === url ? '' : 'the proxy '
    const why = allowedHosts.length === 0 ? 'this is offline' : 'only hosts of --allow-host may be reached'
    throw new OssbError('ERR_OSSB_OFFLINE', `Cannot connect to ${role}"${hop.host}": ${why}`, {
      hint: `To allow it, add --allow-host ${hop.host}.`,
    })
  }
}

/** Whether an entry of the list means the host of a URL; without a port it means all of its ports. */
function isHost(url: URL, entry: string): boolean {
  const name = hostName(entry)
  const wanted = name === 'docker.io' || name === 'index.docker.io' ? apiHost('docker.io') : name
  if (wanted !== hostName(url.host)) return false
  const port = /(?:^[^:]*|\]):(\d+)$/.exec(entry)?.[1]
  return port === undefined || port === (url.port || PORTS[url.protocol])
}
