import { readFileSync } from 'node:fs'
import type { ProcessSpec } from './executor.ts'

/** The /etc/hosts that a process sees. */
export function hostsFile({ hostname, extraHosts }: Pick<ProcessSpec, 'hostname' | 'extraHosts'>): string {
  const lines = [
    `127.0.0.1\tlocalhost ${hostname}`,
    '::1\tlocalhost ip6-localhost ip6-loopback',
    ...extraHosts.map(({ name, address }) => `${address}\t${name}`),
  ]
  return `${lines.join('\n')}\n`
}

/** The /etc/resolv.conf that a process sees: the machine's own, as it shares the machine's network. */
export function resolverFile(path = '/etc/resolv.conf'): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
