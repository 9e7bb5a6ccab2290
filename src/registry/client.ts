import type { LookupFunction } from 'node:net'
import type { Job, Reference } from '../core/index.ts'
import { type Clock, systemClock } from '../io/index.ts'
import { createAuthorizer, type HostAuth } from './auth/authorizer.ts'
import type { CredentialSource } from './auth/credentials/credential.ts'
import { defaultKeychain, type KeychainOptions } from './auth/credentials/keychain.ts'
import { checkLogin } from './auth/login-check.ts'
import { createTokenCache } from './auth/tokens.ts'
import { createEndpoints } from './endpoint.ts'
import { createExchange, type Patience } from './http/exchange.ts'
import { apiHost } from './http/origin.ts'
import type { TrustOptions } from './http/own-certificates.ts'
import type { ReachOptions } from './http/reach.ts'
import { createServerWarnings } from './http/server-warnings.ts'
import { createTransport, isInsecure } from './http/transport.ts'
import { createRemoteRepository, type RemoteRepository, type RemoteRepositoryOptions } from './repository.ts'
import { createSession, type Session } from './session.ts'
import { checkPush } from './upload/push-check.ts'
import { createUploadMemory, type UploadMemory } from './upload/upload-memory.ts'
import { cancelUpload } from './upload/upload-session.ts'

export interface DirectOptions extends TrustOptions, KeychainOptions, ReachOptions, Patience {
  /** Registries (`host[:port]`) that may be spoken to without a trusted certificate, or over plain http. */
  readonly insecureRegistries: readonly string[]
  /** Where credentials are taken from; absent is where they are usually kept. */
  readonly keychain?: CredentialSource
  readonly userAgent?: string
  /** Milliseconds without progress after which a connection counts as dead; 60 s when absent. */
  readonly stallMs?: number
  /** Milliseconds that a registry may take to store a blob or manifest which it has got; 300 s when absent. */
  readonly commitMs?: number
  /**
   * Send blobs in requests of at most this many bytes; absent is a blob in one request, and smaller ones only where a
   * registry, or a proxy in front of it, limits their size.
   */
  readonly chunkBytes?: number
  readonly clock?: Clock
  /** How names become addresses; the system's way when absent. */
  readonly lookup?: LookupFunction
}

type RepositoryName = Pick<Reference, 'registry' | 'repository'>

/** Registries by their own names, with what was learnt about them. Dispose of it to close its connections. */
export interface DirectClient extends AsyncDisposable {
  repository(reference: RepositoryName, options?: RemoteRepositoryOptions): RemoteRepository
  /**
   * Finds out before a build whether its push would be allowed. A registry that can't be asked now is a warning only.
   * The upload that was opened for that serves the first blob; one that nobody needed ends with the client.
   * @throws OssbError when the registry refuses
   */
  checkPush(reference: RepositoryName, job: Job): Promise<void>
  /** Finds out whether a registry takes our credentials. @throws OssbError when it refuses or can't be asked */
  checkLogin(registry: string, job: Job): Promise<void>
}

const STALL_MS = 60_000
/** A registry checks, and may have to move, the whole content before it answers. */
const COMMIT_MS = 300_000

export function createDirectClient(options: DirectOptions): DirectClient {
  const { insecureRegistries } = options
  const stallMs = options.stallMs ?? STALL_MS
  const userAgent = options.userAgent ?? 'ossb'
  const transportOptions = { ...options, stallMs }
  const transport = createTransport(transportOptions)
  const endpoints = createEndpoints(transport, transportOptions)
  const exchange = createExchange(options.clock ?? systemClock, options)
  const tokens = createTokenCache({ transport, exchange, userAgent })
  const keychain = options.keychain ?? defaultKeychain(options)
  const warnings = createServerWarnings()
  const hosts = new Map<string, HostAuth>()
  const uploads = new Map<string, UploadMemory>()

  const hostAuth = (registry: string): HostAuth => {
    const known = hosts.get(registry) ?? {}
    hosts.set(registry, known)
    return known
  }

  const uploadsOf = (registry: string): UploadMemory => {
    const known = uploads.get(registry) ?? createUploadMemory(options)
    uploads.set(registry, known)
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
      commitMs: options.commitMs ?? COMMIT_MS,
      uploads: uploadsOf(registry),
      userAgent,
      warnings,
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

  const cancelSpares = async (): Promise<void> => {
    const spares = [...uploads].flatMap(([registry, { spares }]) =>
      [...spares].map(([repository, spare]) =>
        cancelUpload(sessionFor({ registry, repository }), spare.location),
      ),
    )
    await Promise.all(spares)
  }

  return {
    repository: (reference, repositoryOptions) =>
      createRemoteRepository(sessionFor(reference), repositoryOptions),
    checkPush: (reference, job) => checkPush(sessionFor(reference), job),
    checkLogin: (registry, job) => checkLogin(sessionFor({ registry, repository: '' }), endpoints, job),
    async [Symbol.asyncDispose]() {
      await cancelSpares()
      await transport[Symbol.asyncDispose]()
    },
  }
}
