import type { Job, Reference } from '../core/index.ts'
import { type Clock, systemClock } from '../io/index.ts'
import type { Repository } from '../oci/index.ts'
import { createAuthorizer, type HostAuth } from './authorizer.ts'
import type { CredentialSource } from './credentials/credential.ts'
import { defaultKeychain, type KeychainOptions } from './credentials/keychain.ts'
import { createEndpoints } from './endpoint.ts'
import { createExchange } from './exchange.ts'
import { checkLogin } from './login-check.ts'
import { apiHost } from './origin.ts'
import type { TrustOptions } from './own-certificates.ts'
import { checkPush } from './push-check.ts'
import { createRemoteRepository, type RemoteRepositoryOptions } from './repository.ts'
import { createSession, type Session } from './session.ts'
import { createTokenCache } from './tokens.ts'
import { createTransport, isInsecure } from './transport.ts'

export interface DirectOptions extends TrustOptions, KeychainOptions {
  /** Registries (`host[:port]`) that may be spoken to without a trusted certificate, or over plain http. */
  readonly insecureRegistries: readonly string[]
  /** Where credentials are taken from; absent is where they are usually kept. */
  readonly keychain?: CredentialSource
  /** How often a request is sent at most; absent is the standard. */
  readonly attempts?: number
  readonly userAgent?: string
  /** Milliseconds without progress after which a connection counts as dead; 60 s when absent. */
  readonly stallMs?: number
  readonly clock?: Clock
}

type RepositoryName = Pick<Reference, 'registry' | 'repository'>

/** Registries by their own names, with what was learnt about them. Dispose of it to close its connections. */
export interface DirectClient extends AsyncDisposable {
  repository(reference: RepositoryName, options?: RemoteRepositoryOptions): Repository
  /**
   * Finds out before a build whether its push would be allowed. A registry that can't be asked now is a warning only.
   * @throws OssbError when the registry refuses
   */
  checkPush(reference: RepositoryName, job: Job): Promise<void>
  /** Finds out whether a registry takes our credentials. @throws OssbError when it refuses or can't be asked */
  checkLogin(registry: string, job: Job): Promise<void>
}

const STALL_MS = 60_000

export function createDirectClient(options: DirectOptions): DirectClient {
  const { insecureRegistries } = options
  const stallMs = options.stallMs ?? STALL_MS
  const userAgent = options.userAgent ?? 'ossb'
  const transportOptions = { ...options, stallMs }
  const transport = createTransport(transportOptions)
  const endpoints = createEndpoints(transport, transportOptions)
  const exchange = createExchange(options.clock ?? systemClock, options.attempts)
  const tokens = createTokenCache({ transport, exchange, userAgent })
  const keychain = options.keychain ?? defaultKeychain(options)
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
    checkLogin: (registry, job) => checkLogin(sessionFor({ registry, repository: '' }), endpoints, job),
    [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
  }
}
