import { join } from 'node:path'
import type { Credential, CredentialRequest, CredentialSource } from './credential.ts'
import { dockerConfigFile, dockerConfigText } from './docker-config.ts'

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

/**
 * Everywhere that Docker and Podman keep credentials: DOCKER_AUTH_CONFIG, $REGISTRY_AUTH_FILE,
 * $DOCKER_CONFIG/config.json or else ~/.docker/config.json, then containers/auth.json in $XDG_RUNTIME_DIR and in
 * $XDG_CONFIG_HOME or else ~/.config.
 */
export function defaultKeychain(environment: Environment): CredentialSource {
  const inline = environment['DOCKER_AUTH_CONFIG']
  const home = environment['HOME'] || undefined
  const under = (base: string | undefined, ...path: string[]) => (base ? join(base, ...path) : undefined)
  const files = [
    environment['REGISTRY_AUTH_FILE'],
    environment['DOCKER_CONFIG']
      ? join(environment['DOCKER_CONFIG'], 'config.json')
      : under(home, '.docker/config.json'),
    under(environment['XDG_RUNTIME_DIR'], 'containers/auth.json'),
    under(environment['XDG_CONFIG_HOME'] || under(home, '.config'), 'containers/auth.json'),
  ].filter((path): path is string => path !== undefined && path !== '')
  return firstHit([
    ...(inline ? [dockerConfigText(inline, 'the environment variable DOCKER_AUTH_CONFIG', environment)] : []),
    ...[...new Set(files)].map((path) => dockerConfigFile(path, environment)),
  ])
}
