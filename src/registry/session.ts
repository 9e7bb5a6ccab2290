import type { Job } from '../core/index.ts'
import { readAll } from '../io/index.ts'
import type { Authorizer } from './authorizer.ts'
import type { Endpoints } from './endpoint.ts'
import type { Exchange } from './exchange.ts'
import { readFailure } from './http-failure.ts'
import { sendFollowing } from './redirects.ts'
import { toOssbError } from './registry-error.ts'
import type { Body, HttpRequest, HttpResponse, Transport } from './transport.ts'
import type { UploadMemory } from './upload-memory.ts'

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
}

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
}

/** Pull first or push first makes no difference to a server that follows the specification; this is Docker's order. */
function scopesFor(
  { method, alsoPull = [] }: RegistryRequest,
  repository: string,
  pushing: boolean,
): string[] {
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
      dispatch({ ...options, base }, { ...request, url, authorization }, job)
    // An upload session on another origin gets no credentials: they are the registry's alone.
    const used = url.origin === base.origin ? await authorizer.header(scopes, job.signal) : undefined
    const response = await sendWith(used)
    if (response.status !== 401 || request.expect.includes(401) || url.origin !== base.origin) return response
    return replay({ response, used }, sendWith, { authorizer, scopes }, job)
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
      if (!request.expect.includes(response.status)) throw await readFailure(request.method, response)
      return use(response)
    }
    return exchange.run(registry, once, { retry: request.retry }, job.signal)
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
          bytes: await readAll(response.body, limit, `the answer of ${response.url.host}`),
        }),
        job,
      ),
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
  for (let replayed = 0; response.status === 401 && replayed < replays; replayed += 1) {
    const header = await authorizer.answer({ response, scopes, used }, job.signal)
    if (header === undefined) return response
    await response.discard()
    used = header
    response = await sendWith(header)
  }
  return response
}

type Outgoing = RegistryRequest & { readonly url: URL; readonly authorization: string | undefined }

function dispatch(
  options: SessionOptions & { readonly base: URL },
  { method, url, headers, body, answerWithinMs, authorization }: Outgoing,
  job: Job,
): Promise<HttpResponse> {
  const request: HttpRequest = {
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
  return method === 'GET' || method === 'HEAD'
    ? sendFollowing(options.transport, request, options.insecureRegistries)
    : options.transport.send(request)
}
