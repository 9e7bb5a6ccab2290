import { OssbError } from '../../core/index.ts'
import { type Challenge, parseChallenges } from './auth-challenge.ts'
import type { Credential, CredentialSource } from './credentials/credential.ts'
import { LoginFailure } from './login-failure.ts'
import { isForbiddenAddress, isLoopback } from '../http/origin.ts'
import { basicHeader, type TokenCache, type TokenRequest } from './tokens.ts'
import type { HttpResponse } from '../http/transport.ts'

/** How a registry wants to be convinced; learnt from its first 401 and shared by all repositories on it. */
export interface HostAuth {
  challenge?: Challenge
}

export interface AuthorizerOptions {
  readonly registry: string
  readonly repository: string
  readonly keychain: CredentialSource
  readonly tokens: TokenCache
  readonly host: HostAuth
  /** True where the registry itself may be spoken to without a trusted connection. */
  readonly insecure: boolean
  /** Fetches the challenge of `/v2/`, for registries whose 401 has none. */
  ping(signal: AbortSignal): Promise<readonly string[]>
}

/** Finds the Authorization header of requests to one repository. */
export interface Authorizer {
  /** The header for a request that needs `scopes`, as far as the registry is known; `undefined` to try without. */
  header(scopes: readonly string[], signal: AbortSignal): Promise<string | undefined>
  /**
   * The header to try after a 401 to a request that was sent with `used`.
   * @returns `undefined` when there is nothing else to try
   */
  answer(refusal: Refusal, signal: AbortSignal): Promise<string | undefined>
  /** The header for another origin that a registry sent us to, got without credentials; `undefined` if there is none. */
  answerElsewhere(response: HttpResponse, signal: AbortSignal): Promise<string | undefined>
  /** Where the credentials came from, or where they were looked for; for hints. */
  explain(): string
}

interface Refusal {
  readonly response: HttpResponse
  readonly scopes: readonly string[]
  readonly used: string | undefined
}

export function createAuthorizer(options: AuthorizerOptions): Authorizer {
  let lookup: Promise<Credential | undefined> | undefined
  let found: Credential | undefined
  /** Scopes that a request turned out to need, by those that it asked for. */
  const wider = new Map<string, readonly string[]>()

  const credential = async (signal: AbortSignal): Promise<Credential | undefined> => {
    lookup ??= options.keychain.find(options, signal)
    found = await lookup
    return found
  }

  const headerFor = async (challenge: Challenge, scopes: readonly string[], signal: AbortSignal) => {
    const known = await credential(signal)
    if (known?.type === 'access-token') return `Bearer ${known.token}`
    if (challenge.scheme === 'basic') return known === undefined ? undefined : basicHeader(known)
    const token = await options.tokens
      .get(tokenRequest(challenge, wider.get(scopes.join(' ')) ?? scopes, known, options), signal)
      .catch((error: unknown) => {
        throw error instanceof OssbError ? error : new LoginFailure(realmHost(challenge), error)
      })
    return `Bearer ${token}`
  }

  return {
    async header(scopes, signal) {
      const { challenge } = options.host
      if (challenge !== undefined) return headerFor(challenge, scopes, signal)
      // Whether it was needed at all is not known yet: trouble with a helper is told when the registry asks.
      const known = await credential(signal).catch(() => undefined)
      signal.throwIfAborted()
      return known?.type === 'access-token' ? `Bearer ${known.token}` : undefined
    },
    async answer({ response, scopes, used }, signal) {
      const own = parseChallenges(response.headers('www-authenticate'))
      const challenge = choose(own.length > 0 ? own : parseChallenges(await options.ping(signal)), options)
      const { error, scope } = challenge.parameters
      if (error === 'insufficient_scope' && scope !== undefined)
        wider.set(scopes.join(' '), [...new Set([...scopes, ...scope.split(/\s+/).filter(Boolean)])])
      if (used?.startsWith('Bearer ')) options.tokens.forget(used.slice('Bearer '.length))
      const header = await headerFor(challenge, scopes, signal)
      // One that leads nowhere is not remembered.
      options.host.challenge = challenge
      return header === used ? undefined : header
    },
    async answerElsewhere(response, signal) {
      const challenge = parseChallenges(response.headers('www-authenticate')).find(
        ({ scheme, parameters }) => scheme === 'bearer' && parameters['realm'] !== undefined,
      )
      if (challenge === undefined) return undefined
      const scopes = (challenge.parameters['scope'] ?? '').split(/\s+/).filter(Boolean)
      const request = tokenRequest(challenge, scopes, undefined, { ...options, registry: response.url.host })
      return `Bearer ${await options.tokens.get(request, signal)}`
    },
    explain() {
      if (found !== undefined)
        return `The credentials for ${options.registry} came from ${found.source}; anonymous access was not tried.`
      return (
        `No credentials for ${options.registry} were found in ${options.keychain.name}. ` +
        `Log in with "ossb login ${options.registry}".`
      )
    },
  }
}

function choose(challenges: readonly Challenge[], { registry, host }: AuthorizerOptions): Challenge {
  const chosen =
    challenges.find(
      (challenge) => challenge.scheme === 'bearer' && challenge.parameters['realm'] !== undefined,
    ) ??
    challenges.find((challenge) => challenge.scheme === 'basic') ??
    host.challenge
  if (chosen !== undefined) return chosen
  const schemes = challenges.map((challenge) => `"${challenge.scheme}"`).join(', ')
  throw new OssbError(
    'ERR_OSSB_UNAUTHORIZED',
    `Cannot log in to "${registry}": it ${schemes === '' ? 'does not say how' : `asks for ${schemes}, and only Basic and Bearer are known`}`,
  )
}

function realmHost({ parameters }: Challenge): string {
  const realm = parameters['realm'] ?? ''
  return URL.canParse(realm) ? new URL(realm).host : ''
}

function tokenRequest(
  { parameters }: Challenge,
  scopes: readonly string[],
  credential: Credential | undefined,
  options: AuthorizerOptions,
): TokenRequest {
  const realm = checkRealm(parameters['realm'] ?? '', options)
  const service = parameters['service']
  return {
    realm,
    scopes,
    ...(service === undefined || service === '' ? {} : { service }),
    ...(credential === undefined ? {} : { credential }),
  }
}

/** A registry decides where credentials are sent; it must not aim them at this machine, a metadata service or plain http. */
function checkRealm(text: string, { registry, insecure }: AuthorizerOptions): URL {
  const refuse = (why: string) =>
    new OssbError(
      'ERR_OSSB_UNAUTHORIZED',
      `Cannot log in to "${registry}": it sends us for a token to "${text.slice(0, 200)}", ${why}`,
    )
  if (!URL.canParse(text)) throw refuse('which is not a URL')
  const realm = new URL(text)
  if (realm.protocol !== 'https:' && realm.protocol !== 'http:')
    throw refuse('which is neither https nor http')
  if (isForbiddenAddress(realm.host)) throw refuse('a link-local or metadata address')
  if (isLoopback(realm.host) && !isLoopback(registry)) throw refuse('an address of this machine')
  if (realm.protocol === 'http:' && !insecure && !isLoopback(realm.host)) throw refuse('over plain http')
  return realm
}
