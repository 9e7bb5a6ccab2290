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
    environment,
  }
}

/** A registry without a scheme. */
export function hostOf(text: string, flag: string): string {
  if (/^[a-z]+:\/\//i.test(text))
    throw usageError(
      `Cannot use "${text}" for --${flag}: it is a URL`,
      `Leave out "${text.slice(0, text.indexOf('//') + 2)}"; plain HTTP is asked for with --insecure-registry.`,
    )
  return text
}
