import { dockerfileError } from './dockerfile-error.ts'
import { goQuote } from './go-format.ts'

const PROTOCOLS = ['tcp', 'udp', 'sctp']
const MAX_PORT = 65_535

/**
 * The ports of one word of EXPOSE, `port[-port][/protocol]`, each as `8000/tcp`. Of `[ip:][host:]container` only the
 * container's part counts.
 */
export function expandPort(text: string): readonly string[] {
  const { ports, protocol } = splitProtocol(text)
  const container = ports.slice(ports.lastIndexOf(':') + 1)
  if (container === '') throw dockerfileError(`invalid port: ${goQuote(text)}: no port specified`)
  if (!PROTOCOLS.includes(protocol))
    throw dockerfileError(`invalid port: ${goQuote(text)}: invalid proto: ${protocol}`)
  const [first, last] = parseRange(container)
  return Array.from({ length: last - first + 1 }, (_, offset) => `${first + offset}/${protocol}`)
}

/** A protocol that is not given, or is empty, is tcp. */
function splitProtocol(text: string): { ports: string; protocol: string } {
  const slash = text.indexOf('/')
  if (slash === -1) return { ports: text, protocol: 'tcp' }
  return { ports: text.slice(0, slash), protocol: text.slice(slash + 1).toLowerCase() || 'tcp' }
}

function parseRange(container: string): readonly [number, number] {
  const dash = container.indexOf('-')
  const first = parsePort(dash === -1 ? container : container.slice(0, dash))
  const last = dash === -1 ? first : parsePort(container.slice(dash + 1))
  if (first === undefined || last === undefined || last < first)
    throw dockerfileError(`invalid containerPort: ${container}`)
  return [first, last]
}

function parsePort(text: string): number | undefined {
  if (!/^\d{1,5}$/.test(text)) return undefined
  const port = Number(text)
  return port <= MAX_PORT ? port : undefined
}
