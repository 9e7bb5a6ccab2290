import type { RegistryAccess } from '../index.ts'
import type { RegistryFlags } from './option-table.ts'
import { usageError } from './usage-error.ts'

/** What the flags of the group "Registries" say. @throws OssbError ERR_OSSB_USAGE that names the flag that is wrong */
export function registryAccess(
  flags: RegistryFlags,
  environment: RegistryAccess['environment'],
): RegistryAccess {
  return {
    insecureRegistries: flags['insecure-registry'].map((host) => hostOf(host, 'insecure-registry')),
    ...allowedHosts(flags),
    environment,
  }
}

/** Who names hosts means no other. */
function allowedHosts(flags: RegistryFlags): Pick<RegistryAccess, 'allowedHosts'> {
  const hosts = flags['allow-host'].map((text) => {
    const host = hostOf(text, 'allow-host')
    if (HOST.test(host)) return host
    throw usageError(
      `Cannot use "${text}" for --allow-host: it is not a host with or without a port`,
      'Write --allow-host registry.example.com or --allow-host 10.0.0.1:5000.',
    )
  })
  return flags.offline || hosts.length > 0 ? { allowedHosts: hosts } : {}
}

const HOST = /^(?:\[[0-9a-f:.]+\]|[\w.-]+)(?::\d{1,5})?$/i

/** A registry without a scheme. */
export function hostOf(text: string, flag: string): string {
  if (/^[a-z]+:\/\//i.test(text))
    throw usageError(
      `Cannot use "${text}" for --${flag}: it is a URL`,
      `Leave out "${text.slice(0, text.indexOf('//') + 2)}"${flag === 'allow-host' ? '.' : '; plain HTTP is asked for with --insecure-registry.'}`,
    )
  return text
}
