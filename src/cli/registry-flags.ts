import type { RegistryAccess, RegistryCertificates, RegistryTrust } from '../index.ts'
import type { RegistryFlags, TrustFlags } from './option-table.ts'
import { registryMaps } from './registry-map.ts'
import { usageError } from './usage-error.ts'

type Environment = RegistryAccess['environment']

/** What the flags of the group "Registries" say. @throws OssbError ERR_OSSB_USAGE that names the flag that is wrong */
export function registryAccess(flags: RegistryFlags, environment: Environment): RegistryAccess {
  const maps = registryMaps(flags, environment)
  return {
    ...registryTrust(flags, environment),
    ...(maps.length === 0 ? {} : { registryMaps: maps }),
    ...(flags['skip-default-registry-fallback'] ? { skipDefaultRegistryFallback: true } : {}),
  }
}

/** The same without the flags that say where else to read. */
export function registryTrust(flags: TrustFlags, environment: Environment): RegistryTrust {
  const certificates = [
    ...flags['registry-certificate'].map(authoritiesOf),
    ...flags['registry-client-cert'].map(clientOf),
  ]
  return {
    insecureRegistries: flags['insecure-registry'].map((host) => hostOf(host, 'insecure-registry')),
    ...allowedHosts(flags),
    environment,
    ...(flags.authfile === undefined ? {} : { authFile: flags.authfile }),
    ...(certificates.length === 0 ? {} : { certificates }),
    ...(flags['cert-dir'].length === 0 ? {} : { certDirs: flags['cert-dir'] }),
    ...(flags['registries-conf'] === undefined ? {} : { registriesConf: flags['registries-conf'] }),
  }
}

function authoritiesOf(text: string): RegistryCertificates {
  const { registry, value } = forRegistry(text, 'registry-certificate', 'FILE')
  return { registry, authorities: value }
}

function clientOf(text: string): RegistryCertificates {
  const { registry, value } = forRegistry(text, 'registry-client-cert', 'CERT,KEY')
  const [certificate, key, more] = value.split(',')
  if (!certificate || !key || more !== undefined)
    throw usageError(
      `Cannot use "${text}" for --registry-client-cert: it does not name two files`,
      'Write --registry-client-cert HOST[:PORT]=CERT,KEY.',
    )
  return { registry, client: { certificate, key } }
}

function forRegistry(text: string, flag: string, value: string): { registry: string; value: string } {
  const equals = text.indexOf('=')
  if (equals < 1 || equals === text.length - 1)
    throw usageError(
      `Cannot use "${text}" for --${flag}: it does not name a registry and a file`,
      `Write --${flag} HOST[:PORT]=${value}.`,
    )
  return { registry: hostOf(text.slice(0, equals), flag), value: text.slice(equals + 1) }
}

/** Who names hosts means no other. */
function allowedHosts(flags: TrustFlags): Pick<RegistryTrust, 'allowedHosts'> {
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
