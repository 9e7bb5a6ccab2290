import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ProcessMount, ProcessSpec } from './executor.ts'

/** Writes the files of /etc that are a process's own into a directory; the mounts that show them to it. */
export function networkMounts(process: ProcessSpec, directory: string): readonly ProcessMount[] {
  return [
    fileMount(directory, 'hosts', hostsFile(process)),
    fileMount(directory, 'resolv.conf', resolverFile()),
  ]
}

function fileMount(directory: string, name: string, content: string): ProcessMount {
  const source = join(directory, name)
  writeFileSync(source, content)
  // Any USER has to read them, whatever the umask.
  chmodSync(source, 0o644)
  return { type: 'bind', source, target: `/etc/${name}`, readonly: true }
}

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
