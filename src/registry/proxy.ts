import { BlockList, isIP } from 'node:net'
import { hostName, isLoopback } from './origin.ts'

type Environment = Readonly<Record<string, string | undefined>>

/**
 * The proxy for a URL by HTTP_PROXY, HTTPS_PROXY and NO_PROXY (or their lower-case names), or `undefined` to go
 * directly. Loopback is always direct, and a CGI's HTTP_PROXY is not believed (httpoxy).
 */
export function proxyFor(url: URL, environment: Environment): string | undefined {
  if (isLoopback(url.host) || isExcluded(url, either(environment, 'NO_PROXY'))) return undefined
  if (url.protocol === 'http:' && environment['REQUEST_METHOD'] !== undefined) return undefined
  const proxy = either(environment, url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY')
  if (proxy === undefined) return undefined
  return proxy.includes('://') ? proxy : `http://${proxy}`
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
