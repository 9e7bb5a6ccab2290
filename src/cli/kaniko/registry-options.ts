import type { RegistryAccess, RegistryCertificates } from '../../index.ts'
import { registryMaps } from '../registry-map.ts'
import { CommandError } from './command-error.ts'
import type { FlagValues } from './flag.ts'
import type { PullFlag, PushFlag } from './registry-flags.ts'
import type { Environment } from './values.ts'

/** Any registry. */
const ALL = '*'

/** What the flags of a program that only pulls say of registries. @throws OssbError ERR_OSSB_USAGE */
export function pullAccess(values: FlagValues<PullFlag>, environment: Environment): RegistryAccess {
  return {
    insecureRegistries: [
      ...(values.on('insecure-pull') || values.on('skip-tls-verify-pull') ? [ALL] : []),
      ...values.list('insecure-registry'),
      ...values.list('skip-tls-verify-registry'),
    ],
    environment,
    ...certificates(values),
    ...mirrors(values, environment),
  }
}

/**
 * The same for one that pushes as well: `--insecure` is for the registries that are pushed to.
 * @param pushed their hosts
 */
export function registryAccess(
  values: FlagValues<PullFlag | PushFlag>,
  pushed: readonly string[],
  environment: Environment,
): RegistryAccess {
  const pull = pullAccess(values, environment)
  return {
    ...pull,
    insecureRegistries: [
      ...(values.on('skip-tls-verify') ? [ALL] : []),
      ...(values.on('insecure') ? pushed : []),
      ...pull.insecureRegistries,
    ],
  }
}

function certificates(values: FlagValues<PullFlag>): Pick<RegistryAccess, 'certificates'> {
  const all = [
    ...values.list('registry-certificate').map((text): RegistryCertificates => {
      const [registry, authorities] = pairOf(text, 'registry-certificate')
      return { registry, authorities }
    }),
    ...values.list('registry-client-cert').map((text): RegistryCertificates => {
      const [registry, value] = pairOf(text, 'registry-client-cert')
      const [certificate, key, more] = value.split(',')
      if (certificate && key && more === undefined) return { registry, client: { certificate, key } }
      throw new CommandError(
        `failed to load client certificate/key '${text}', expected format: ${registry}=/path/to/cert,/path/to/key`,
      )
    }),
  ]
  return all.length === 0 ? {} : { certificates: all }
}

/** A pair as kaniko's own flag types read it. @throws CommandError */
export function pairOf(text: string, flag: string): readonly [key: string, value: string] {
  const equals = text.indexOf('=')
  if (equals !== -1) return [text.slice(0, equals), text.slice(equals + 1)]
  throw new CommandError(
    `invalid argument ${JSON.stringify(text)} for "--${flag}" flag: invalid argument value. expect key=value, got ${text}`,
  )
}

function mirrors(
  values: FlagValues<PullFlag>,
  environment: Environment,
): Pick<RegistryAccess, 'registryMaps' | 'skipDefaultRegistryFallback'> {
  const maps = registryMaps(
    {
      'registry-map': withVariable(values.list('registry-map'), environment['KANIKO_REGISTRY_MAP']).map(
        hubByItsName,
      ),
      'registry-mirror': withVariable(values.list('registry-mirror'), environment['KANIKO_REGISTRY_MIRROR']),
    },
    environment,
  )
  return {
    ...(maps.length === 0 ? {} : { registryMaps: maps }),
    ...(values.on('skip-default-registry-fallback') ? { skipDefaultRegistryFallback: true } : {}),
  }
}

function withVariable(texts: readonly string[], variable = ''): readonly string[] {
  return variable === '' ? texts : [...texts, variable]
}

/** Kaniko knows Docker Hub by another name than people do. */
function hubByItsName(text: string): string {
  return text.replace(/(^|;)\s*index\.docker\.io=/g, '$1docker.io=')
}

/** `--build-arg NAME=VALUE`; a bare NAME takes its value from the environment, and is empty when not set there. */
export function buildArguments(texts: readonly string[], environment: Environment): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const equals = text.indexOf('=')
      return equals === -1 ? [text, environment[text] ?? ''] : [text.slice(0, equals), text.slice(equals + 1)]
    }),
  )
}
