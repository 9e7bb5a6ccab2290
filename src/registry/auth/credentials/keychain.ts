import { statSync } from 'node:fs'
import { join } from 'node:path'
import type { Ask } from '../../../cloud/index.ts'
import { cloudCredentials, type CloudProvider } from './cloud/index.ts'
import type { Credential, CredentialRequest, CredentialSource } from './credential.ts'
import { dockerConfigFile, type DockerConfigFile, dockerConfigText } from './docker-config.ts'
import { environmentCredentials } from './environment.ts'
import { createHelpers } from './helper.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** Several sources as one: the first that has a credential wins. */
function firstHit(sources: readonly CredentialSource[]): CredentialSource {
  return {
    name: sources.map((source) => source.name).join(', '),
    async find(request: CredentialRequest, signal: AbortSignal): Promise<Credential | undefined> {
      for (const source of sources) {
        const found = await source.find(request, signal)
        if (found !== undefined) return found
      }
      return undefined
    },
  }
}

/** A place that is looked at after the files: variables as kaniko reads them, or a cloud. */
export type CredentialProvider = 'env' | CloudProvider

export interface KeychainOptions {
  readonly environment: Environment
  /** What is asked after the files, in this order; absent is `env` alone. */
  readonly credentialProviders?: readonly CredentialProvider[]
  /** The one file to look into, which must be there; absent is everywhere. */
  readonly authFile?: string
}

/**
 * Everywhere that Docker and Podman keep credentials, each later place for what the ones before it do not have:
 * DOCKER_AUTH_CONFIG, $REGISTRY_AUTH_FILE, $DOCKER_CONFIG/config.json or else ~/.docker/config.json, then
 * containers/auth.json in $XDG_RUNTIME_DIR or else /run/containers/<uid>, in $XDG_CONFIG_HOME or else ~/.config,
 * ~/.dockercfg, and what the options name.
 * @param ask how a cloud is reached
 */
export function defaultKeychain(
  { environment, authFile, credentialProviders = ['env'] }: KeychainOptions,
  ask: Ask,
): CredentialSource {
  const helpers = createHelpers({ environment })
  if (authFile !== undefined) return dockerConfigFile({ path: authFile, required: true }, helpers)
  const inline = environment['DOCKER_AUTH_CONFIG']
  return firstHit([
    ...(inline ? [dockerConfigText(inline, 'the environment variable DOCKER_AUTH_CONFIG', helpers)] : []),
    ...filesOf(environment).map((file) => dockerConfigFile(file, helpers)),
    ...providers(credentialProviders, environment, ask),
  ])
}

function providers(
  wanted: readonly CredentialProvider[],
  environment: Environment,
  ask: Ask,
): readonly CredentialSource[] {
  return wanted.flatMap((provider) => {
    if (provider !== 'env') return cloudCredentials([provider], { environment, ask, now: Date.now })
    return hasKanikoVariables(environment) ? [environmentCredentials(environment)] : []
  })
}

function filesOf(environment: Environment): readonly DockerConfigFile[] {
  const under = (base: string | undefined, ...path: string[]) => (base ? join(base, ...path) : undefined)
  const home = environment['HOME']
  const paths = [
    environment['REGISTRY_AUTH_FILE'],
    dockerConfigPath(environment),
    under(environment['XDG_RUNTIME_DIR'], 'containers/auth.json') ?? `/run/containers/${userId()}/auth.json`,
    under(environment['XDG_CONFIG_HOME'] || under(home, '.config'), 'containers/auth.json'),
  ].filter((path): path is string => path !== undefined && path !== '')
  const legacy = under(home, '.dockercfg')
  return [
    ...[...new Set(paths)].map((path) => ({ path })),
    ...(legacy === undefined ? [] : [{ path: legacy, format: 'flat' as const }]),
  ]
}

/** Docker's own file. `undefined` where there is no home directory. */
function dockerConfigPath(environment: Environment): string | undefined {
  if (environment['DOCKER_CONFIG']) return join(environment['DOCKER_CONFIG'], 'config.json')
  return environment['HOME'] ? join(environment['HOME'], '.docker/config.json') : undefined
}

/** The file that a login goes to: the one that is looked at first of those that `docker login` and `podman login` write. */
export function loginFile({ environment, authFile }: KeychainOptions): string | undefined {
  return authFile ?? (environment['REGISTRY_AUTH_FILE'] || dockerConfigPath(environment))
}

function userId(): string {
  // Who owns this process; a lookup of the user's name may fail in a container.
  return String(statSync('/proc/self').uid)
}

function hasKanikoVariables(environment: Environment): boolean {
  return Object.keys(environment).some((name) => /^KANIKO_.+_USER$/.test(name))
}
