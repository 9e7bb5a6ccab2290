/** The host that answers the API for a registry as references name it. Docker Hub's own name is not one. */
export function apiHost(registry: string): string {
  return registry === 'docker.io' ? 'registry-1.docker.io' : registry
}

const HUB_HOSTS: readonly string[] = ['docker.io', 'index.docker.io', 'registry-1.docker.io']

/** A registry in the one spelling that others are compared with: in lower case, and one name for Docker Hub. */
export function canonicalRegistry(registry: string): string {
  const name = registry.toLowerCase()
  return HUB_HOSTS.includes(name) ? 'docker.io' : name
}

/** The host of `host[:port]` or of a URL, in lower case, without port and brackets. */
export function hostName(host: string): string {
  const bracketed = /^\[([^\]]*)\]/.exec(host)
  return (bracketed?.[1] ?? host.replace(/:\d+$/, '')).toLowerCase()
}

/** True for names and addresses that never leave this machine (RFC 6761 6.3, RFC 1122 3.2.1.3, RFC 4291 2.5.3). */
export function isLoopback(host: string): boolean {
  const name = hostName(host)
  return (
    name === 'localhost' || name.endsWith('.localhost') || name === '::1' || /^127(\.\d{1,3}){3}$/.test(name)
  )
}

const METADATA_ADDRESSES: readonly string[] = ['100.100.100.200', 'fd00:ec2::254']

/**
 * True for addresses that no registry may send us to: link-local ones, where clouds serve instance credentials,
 * other metadata services, and the unspecified address. Names are not resolved.
 */
export function isForbiddenAddress(host: string): boolean {
  const name = hostName(host)
  return (
    /^169\.254\.\d{1,3}\.\d{1,3}$/.test(name) ||
    /^fe[89ab][0-9a-f]:/.test(name) ||
    name.startsWith('::ffff:a9fe:') ||
    name === '0.0.0.0' ||
    name === '::' ||
    METADATA_ADDRESSES.includes(name)
  )
}
