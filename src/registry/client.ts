import type { Job, Reference } from '../core/index.ts'
import { type Clock, systemClock } from '../io/index.ts'
import type { Repository } from '../oci/index.ts'
import { createAuthorizer, type HostAuth } from './authorizer.ts'
import { defaultKeychain } from './credentials/keychain.ts'
import { createEndpoints } from './endpoint.ts'
import { createExchange } from './exchange.ts'
import { apiHost } from './origin.ts'
import { checkPush } from './push-check.ts'
import type { ReachOptions } from './reach.ts'
import { createRemoteRepository, type RemoteRepositoryOptions } from './repository.ts'
import { createSession, type Session } from './session.ts'
import { createTokenCache } from './tokens.ts'
import { createTransport, isInsecure } from './transport.ts'

export interface RegistryOptions extends ReachOptions {
  /** Registries (`host[:port]`) that may be spoken to without a trusted certificate, or over plain http. */
  readonly insecureRegistries: readonly string[]
  readonly userAgent?: string
  /** Milliseconds without progress after which a connection counts as dead; 60 s when absent. */
  readonly stallMs?: number
  readonly clock?: Clock
}

type RepositoryName = Pick<Reference, 'registry' | 'repository'>

/** All registries, with what was learnt about them. Dispose of it to close its connections. */
export interface RegistryClient extends AsyncDisposable {
  repository(reference: RepositoryName, options?: RemoteRepositoryOptions): Repository
  /**
   * Finds out before a build whether its push would be allowed. A registry that can't be asked now is a warning only.
   * @throws OssbError when the registry refuses
   */
  checkPush(reference: RepositoryName, job: Job): Promise<void>
}

const STALL_MS = 60_000

export function createRegistryClient(options: RegistryOptions): RegistryClient {
  const { insecureRegistries } = options
  const stallMs = options.stallMs ?? STALL_MS
  const userAgent = options.userAgent ?? 'ossb'
  const transportOptions = { ...options, stallMs }
  const transport = createTransport(transportOptions)
  const endpoints = createEndpoints(transport, transportOptions)
  const exchange = createExchange(options.clock ?? systemClock)
  const tokens = createTokenCache({ transport, exchange, userAgent })
  const keychain = defaultKeychain(options.environment)
  const hosts = new Map<string, HostAuth>()

  const hostAuth = (registry: string): HostAuth => {
    const known = hosts.get(registry) ?? {}
    hosts.set(registry, known)
    return known
  }

  const ping = async (registry: string, signal: AbortSignal): Promise<readonly string[]> => {
    const url = new URL('/v2/', await endpoints.baseUrl(registry, signal))
    const response = await transport.send({
      method: 'GET',
      url,
      headers: { 'user-agent': userAgent },
      signal,
    })
    await response.discard()
    return response.headers('www-authenticate')
  }

  const sessionFor = ({ registry, repository }: RepositoryName): Session =>
    createSession({
      registry,
      repository,
      transport,
      endpoints,
      exchange,
      insecureRegistries,
      stallMs,
      userAgent,
      authorizer: createAuthorizer({
        registry,
        repository,
        keychain,
        tokens,
        host: hostAuth(registry),
        insecure: isInsecure(apiHost(registry), insecureRegistries),
        ping: (signal) => ping(registry, signal),
      }),
    })

  return {
    repository: (reference, repositoryOptions) =>
      createRemoteRepository(sessionFor(reference), repositoryOptions),
    checkPush: (reference, job) => checkPush(sessionFor(reference), job),
    [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
  }
}
