import type { Job } from '../core/index.ts'
import { readAll } from '../io/index.ts'
import type { Authorizer } from './auth/authorizer.ts'
import type { Endpoints } from './endpoint.ts'
import type { Exchange } from './http/exchange.ts'
import { decodedBody } from './http/content-encoding.ts'
import { HttpFailure, readFailure } from './http/http-failure.ts'
import { sendFollowing } from './http/redirects.ts'
import { toOssbError } from './registry-error.ts'
import type { ServerWarnings } from './http/server-warnings.ts'
import { guarded } from './http/stall.ts'
import type { Body, HttpRequest, HttpResponse, Transport } from './http/transport.ts'
import type { UploadMemory } from './upload/upload-memory.ts'

interface RegistryRequest {
  readonly method: HttpRequest['method']
  /** Below `/v2/<repository>/`, or the whole URL of an upload session. */
  readonly target: string | URL
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Body
  readonly answerWithinMs?: number
  /** Repositories beside our own that must be readable (the source of a mount). */
  readonly alsoPull?: readonly string[]
  /** The statuses that are an answer; any other is thrown as HttpFailure. */
  readonly expect: readonly number[]
  readonly retry: 'standard' | 'once'
  /** Ask once more for what is not there: content that was just pushed may not be everywhere yet. */
  readonly missing?: 'once-more'
}

const MISSING_MS = 1000

/** Requests to one repository of one registry, with what it takes to have them answered. */
export interface Session {
  readonly registry: string
  readonly repository: string
  readonly exchange: Exchange
  /** Milliseconds without progress after which a transfer counts as dead. */
  readonly stallMs: number
  /** How long the answer to what is to be stored may take, in milliseconds. */
  readonly commitMs: number
  /** What is known of uploads to this registry. */
  readonly uploads: UploadMemory
  /** Sends and retries. Throws what happened as it is; see `explained`. */
  send(request: RegistryRequest, job: Job): Promise<HttpResponse>
  /** The same with a short body, which is read before the request counts as done. */
  read(request: RegistryRequest, limit: number, job: Job): Promise<{ response: HttpResponse; bytes: Buffer }>
  /** Gets something from elsewhere, by a URL that an image or a server names: without credentials. */
  fetch(
    request: Pick<HttpRequest, 'url' | 'headers'>,
    expect: readonly number[],
    job: Job,
  ): Promise<HttpResponse>
  /** Runs a task, and turns its failure into an OssbError that says what could not be done and why. */
  explained<T>(action: string, task: () => Promise<T>, job: Job): Promise<T>
  /** The error that `explained` would throw. */
  explain(error: unknown, action: string, job: Job): unknown
}

export interface SessionOptions {
  readonly registry: string
  readonly repository: string
  readonly transport: Transport
  readonly endpoints: Endpoints
  readonly exchange: Exchange
  readonly authorizer: Authorizer
  readonly insecureRegistries: readonly string[]
  readonly stallMs: number
  readonly commitMs: number
  readonly uploads: UploadMemory
  readonly userAgent: string
  readonly warnings: ServerWarnings
}

/** Pull first or push first makes no difference to a server that follows the specification; this is Docker's order. */
function scopesFor(
  { method, alsoPull = [] }: RegistryRequest,
  repository: string,
  pushing: boolean,
): string[] {
  // The registry itself: see `checkLogin`.
  if (repository === '') return []
  const actions = pushing || (method !== 'GET' && method !== 'HEAD') ? 'pull,push' : 'pull'
  return [`repository:${repository}:${actions}`, ...alsoPull.map((other) => `repository:${other}:pull`)]
}

export function createSession(options: SessionOptions): Session {
  const { registry, repository, exchange, authorizer } = options
  // Once we push, one token serves for reading as well; before, no more is asked for than needed.
  let pushing = false

  const attempt = async (request: RegistryRequest, base: URL, scopes: readonly string[], job: Job) => {
    const url =
      request.target instanceof URL ? request.target : new URL(`/v2/${repository}/${request.target}`, base)
    const sendWith = (authorization: string | undefined) =>
      dispatch(options, { ...request, url, authorization }, job)
    // An upload session on another origin gets no credentials: they are the registry's alone.
    const used = url.origin === base.origin ? await authorizer.header(scopes, job.signal) : undefined
    const isOurs = (response: HttpResponse) => response.url.origin === base.origin
    const first = await sendWith(used)
    if (first.status !== 401 || request.expect.includes(401) || url.origin !== base.origin) return first
    const response = await replay({ response: first, used, isOurs }, sendWith, { authorizer, scopes }, job)
    // The challenge of a place that we were sent to is never answered with the registry's credentials.
    return response.status === 401 && !isOurs(response)
      ? anonymously(options, { response, request }, job)
      : response
  }

  const explain = (error: unknown, action: string, job: Job): unknown =>
    job.signal.aborted
      ? job.signal.reason
      : toOssbError(error, { action, registry, credentials: authorizer.explain() })

  const run = <T>(request: RegistryRequest, use: (response: HttpResponse) => Promise<T>, job: Job) => {
    pushing ||= request.method !== 'GET' && request.method !== 'HEAD'
    const scopes = scopesFor(request, repository, pushing)
    const once = async () => {
      const base = await options.endpoints.baseUrl(registry, job.signal)
      const response = await attempt(request, base, scopes, job)
      options.warnings.report(response, registry, job)
      if (!request.expect.includes(response.status))
        throw await readFailure(request.method, response, isElsewhere(response, request, base))
      return use(response)
    }
    const exchanged = () => exchange.run(registry, once, { retry: request.retry }, job.signal)
    if (request.missing === undefined) return exchanged()
    return exchanged().catch(async (error: unknown) => {
      if (!(error instanceof HttpFailure && error.status === 404)) throw error
      await exchange.clock.sleep(MISSING_MS, job.signal)
      return exchanged()
    })
  }

  return {
    registry,
    repository,
    exchange,
    stallMs: options.stallMs,
    commitMs: options.commitMs,
    uploads: options.uploads,
    send: (request, job) => run(request, (response) => Promise.resolve(response), job),
    read: (request, limit, job) =>
      run(
        request,
        async (response) => ({
          response,
          bytes: await readAll(
            guarded(decodedBody(response).chunks, options.stallMs),
            limit,
            `the answer of ${response.url.host}`,
          ),
        }),
        job,
      ),
    fetch({ url, headers }, expect, job) {
      const once = async () => {
        const request = outgoing(options, { method: 'GET', url, headers, authorization: undefined }, job)
        const response = await sendFollowing(
          options.transport,
          { ...request, namedBy: 'server' },
          options.insecureRegistries,
        )
        if (expect.includes(response.status)) return response
        throw await readFailure('GET', response, 'storage')
      }
      return exchange.run(url.host, once, { retry: 'standard' }, job.signal)
    },
    async explained(action, task, job) {
      try {
        return await task()
      } catch (error) {
        throw explain(error, action, job)
      }
    },
    explain,
  }
}

interface Refused {
  readonly response: HttpResponse
  readonly used: string | undefined
  /** Whether the registry itself gave an answer, and no place that it sent us to. */
  isOurs(response: HttpResponse): boolean
}

/**
 * Answers 401. A request that went without credentials gets them; one whose token was refused gets a new one, once:
 * tokens expire in the middle of long pushes. A second refusal is final.
 */
async function replay(
  first: Refused,
  sendWith: (authorization: string) => Promise<HttpResponse>,
  { authorizer, scopes }: { readonly authorizer: Authorizer; readonly scopes: readonly string[] },
  job: Job,
): Promise<HttpResponse> {
  let { response, used } = first
  const replays = used === undefined ? 2 : 1
  for (let replayed = 0; replayed < replays; replayed += 1) {
    if (response.status !== 401 || !first.isOurs(response)) return response
    const header = await authorizer.answer({ response, scopes, used }, job.signal)
    if (header === undefined) return response
    await response.discard()
    used = header
    response = await sendWith(header)
  }
  return response
}

/** A registry that only sends on to another one, as registry.k8s.io does: that one may want a token of its own. */
async function anonymously(
  options: SessionOptions,
  { response, request }: { readonly response: HttpResponse; readonly request: RegistryRequest },
  job: Job,
): Promise<HttpResponse> {
  const authorization = await options.authorizer.answerElsewhere(response, job.signal)
  if (authorization === undefined) return response
  await response.discard()
  return sendFollowing(
    options.transport,
    { ...outgoing(options, { ...request, url: response.url, authorization }, job), namedBy: 'server' },
    options.insecureRegistries,
  )
}

function isElsewhere(response: HttpResponse, { target }: RegistryRequest, base: URL): 'registry' | 'storage' {
  return target instanceof URL || response.url.origin === base.origin ? 'registry' : 'storage'
}

type Outgoing = Pick<RegistryRequest, 'method' | 'headers' | 'body' | 'answerWithinMs'> & {
  readonly url: URL
  readonly authorization: string | undefined
}

function outgoing(
  options: SessionOptions,
  { method, url, headers, body, answerWithinMs, authorization }: Outgoing,
  job: Job,
): HttpRequest {
  return {
    method,
    url,
    headers: {
      'user-agent': options.userAgent,
      // What is hashed is what is sent: no proxy may compress it on its way.
      'accept-encoding': 'identity',
      ...headers,
      ...(authorization === undefined ? {} : { authorization }),
    },
    signal: job.signal,
    ...(body === undefined ? {} : { body }),
    ...(answerWithinMs === undefined ? {} : { answerWithinMs }),
  }
}

function dispatch(options: SessionOptions, what: Outgoing, job: Job): Promise<HttpResponse> {
  const request = outgoing(options, what, job)
  return request.method === 'GET' || request.method === 'HEAD'
    ? sendFollowing(options.transport, request, options.insecureRegistries)
    : options.transport.send(request)
}
