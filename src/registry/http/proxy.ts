import { BlockList, isIP } from 'node:net'
import { OssbError } from '../../core/index.ts'
import { hostName, isLoopback } from './origin.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** An HTTP proxy, by which plain http is asked for in the absolute form and https goes through a tunnel. */
export interface Proxy {
  /** Without user and password. */
  readonly url: URL
  /** The value of Proxy-Authorization, where the proxy's URL holds a user. */
  readonly authorization?: string
}

/**
 * The proxy for a URL by HTTP_PROXY, HTTPS_PROXY and NO_PROXY (or their lower-case names), or `undefined` to go
 * directly. Loopback is always direct, and a CGI's HTTP_PROXY is not believed (httpoxy).
 * @throws OssbError ERR_OSSB_USAGE for a proxy that is not one of HTTP
 */
export function proxyFor(url: URL, environment: Environment): Proxy | undefined {
  if (isLoopback(url.host) || isExcluded(url, either(environment, 'NO_PROXY'))) return undefined
  if (url.protocol === 'http:' && environment['REQUEST_METHOD'] !== undefined) return undefined
  const name = url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY'
  const proxy = either(environment, name)
  return proxy === undefined ? undefined : parseProxy(proxy, name)
}

function parseProxy(text: string, name: string): Proxy {
  const given = text.includes('://') ? text : `http://${text}`
  const url = URL.canParse(given) ? new URL(given) : undefined
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    throw new OssbError('ERR_OSSB_USAGE', `Cannot use the proxy of ${name}: it is not an http or https URL`, {
      hint: 'It is written as http://[USER:PASSWORD@]HOST[:PORT].',
    })
  const origin = new URL(url.origin)
  if (url.username === '') return { url: origin }
  const user = `${decoded(url.username)}:${decoded(url.password)}`
  return { url: origin, authorization: `Basic ${Buffer.from(user).toString('base64')}` }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function either(environment: Environment, name: string): string | undefined {
  return environment[name] || environment[name.toLowerCase()] || undefined
}

/** NO_PROXY as Go's http.ProxyFromEnvironment reads it: `*`, names with their subdomains, addresses and CIDR blocks. */
function isExcluded(url: URL, exclusions = ''): boolean {
  const host = hostName(url.host)
  const port = url.port || (url.protocol === 'https:' ? '443' : '80')
  return exclusions
    .split(/[\s,]+/)
    .filter((rule) => rule !== '')
    .some((rule) => rule === '*' || matchesRule(rule.toLowerCase(), host, port))
}

function matchesRule(rule: string, host: string, port: string): boolean {
  if (rule.includes('/')) return inBlock(rule, host)
  const [, name = rule, onlyPort] = /^(\[[^\]]*\]|[^:]*):(\d+)$/.exec(rule) ?? []
  if (onlyPort !== undefined && onlyPort !== port) return false
  const wanted = hostName(name).replace(/^\*(?=\.)/, '')
  if (isIP(wanted) !== 0) return wanted === host
  return wanted.startsWith('.') ? host.endsWith(wanted) : host === wanted || host.endsWith(`.${wanted}`)
}

function inBlock(rule: string, host: string): boolean {
  const [network = '', bits = ''] = rule.split('/')
  const family = isIP(host)
  if (family === 0 || isIP(network) !== family || !/^\d{1,3}$/.test(bits)) return false
  const type = family === 4 ? 'ipv4' : 'ipv6'
  if (Number(bits) > (family === 4 ? 32 : 128)) return false
  const block = new BlockList()
  block.addSubnet(network, Number(bits), type)
  return block.check(host, type)
}
