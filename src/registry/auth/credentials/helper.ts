import * as v from 'valibot'
import { OssbError } from '../../../core/index.ts'
import { runProcess } from '../../../io/index.ts'
import type { Credential } from './credential.ts'

/** A server, and the helper that is responsible for it. */
export interface HelperRequest {
  /** The program is `docker-credential-<suffix>`. */
  readonly suffix: string
  readonly serverUrl: string
  /** What names the helper, for messages. */
  readonly namedBy: string
}

/**
 * Credential helpers (the protocol of docker-credential-helpers: what is wanted as an argument, the server on standard
 * input, JSON back). Each is asked once for a server, however many want to know.
 * @throws OssbError when a helper is missing, fails, answers nonsense or takes more than 30 s
 */
export interface Helpers {
  /** `undefined` when the helper has nothing for the server. */
  get(request: HelperRequest, signal: AbortSignal): Promise<Credential | undefined>
  store(
    request: HelperRequest,
    user: { readonly username: string; readonly password: string },
    signal: AbortSignal,
  ): Promise<void>
  /** @returns false when the helper had nothing for the server */
  erase(request: HelperRequest, signal: AbortSignal): Promise<boolean>
  /** The servers that the helper knows. */
  list(request: Pick<HelperRequest, 'suffix' | 'namedBy'>, signal: AbortSignal): Promise<readonly string[]>
}

export interface HelperOptions {
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Milliseconds that a helper may take; 30 s when absent. */
  readonly timeoutMs?: number
}

const HELPER_MS = 30_000
const NOT_FOUND = 'credentials not found in native keychain'
/** The user name by which a helper says that the secret is a refresh token. */
const TOKEN_USER = '<token>'

const answer = v.object({ Username: v.string(), Secret: v.string() })
const known = v.record(v.string(), v.string())

export function createHelpers(options: HelperOptions): Helpers {
  const asked = new Map<string, Promise<Credential | undefined>>()
  return {
    get(request, signal) {
      const key = `${request.suffix} ${request.serverUrl}`
      const found = asked.get(key) ?? getCredential(request, options, signal)
      asked.set(key, found)
      return found
    },
    async store(request, { username, password }, signal) {
      const input = JSON.stringify({ ServerURL: request.serverUrl, Username: username, Secret: password })
      await run('store', { ...request, input }, options, signal)
    },
    async erase(request, signal) {
      return (await run('erase', { ...request, input: request.serverUrl }, options, signal)) !== undefined
    },
    async list(request, signal) {
      const stdout = await run('list', { ...request, input: '' }, options, signal)
      return Object.keys(parseAnswer(known, stdout ?? '{}') ?? {})
    },
  }
}

async function getCredential(
  request: HelperRequest,
  options: HelperOptions,
  signal: AbortSignal,
): Promise<Credential | undefined> {
  const stdout = await run('get', { ...request, input: `${request.serverUrl}\n` }, options, signal)
  if (stdout === undefined) return undefined
  const found = parseAnswer(answer, stdout)
  if (found === undefined) throw failure('get', request, 'its answer is not the JSON of a credential')
  if (found.Secret === '') return undefined
  const source = nameOf(request)
  return found.Username === TOKEN_USER
    ? { type: 'identity-token', token: found.Secret, source }
    : { type: 'basic', username: found.Username, password: found.Secret, source }
}

type Verb = 'get' | 'store' | 'erase' | 'list'
type Call = Pick<HelperRequest, 'suffix' | 'namedBy'> & {
  readonly serverUrl?: string
  readonly input: string
}

/** The output of a helper; `undefined` when it knows nothing of the server. */
async function run(
  verb: Verb,
  call: Call,
  { environment, timeoutMs = HELPER_MS }: HelperOptions,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (!/^[A-Za-z0-9._-]+$/.test(call.suffix)) throw failure(verb, call, 'that is not a name of a program')
  const timeout = AbortSignal.timeout(timeoutMs)
  const job = { signal: AbortSignal.any([signal, timeout]), emit: () => {} }
  const options = { env: environment, input: call.input }
  const outcome = await runProcess([programOf(call.suffix), verb], options, job).catch((cause: unknown) => {
    if (signal.aborted) throw signal.reason
    const why = timeout.aborted ? `no answer within ${timeoutMs / 1000} s` : 'it could not be started'
    throw failure(verb, call, why, cause)
  })
  if (outcome.exitCode === 0) return outcome.stdout
  if (outcome.stdout.trim() === NOT_FOUND) return undefined
  throw failure(verb, call, `it ended with status ${outcome.exitCode}`)
}

function programOf(suffix: string): string {
  return `docker-credential-${suffix}`
}

/** How a helper is named to people. */
function nameOf({ suffix, namedBy }: Pick<HelperRequest, 'suffix' | 'namedBy'>): string {
  return `the credential helper ${programOf(suffix)} that ${namedBy} names`
}

const ACTIONS: Readonly<Record<Verb, string>> = {
  get: 'get credentials for SERVER from',
  store: 'store credentials for SERVER with',
  erase: 'remove credentials for SERVER with',
  list: 'list the credentials of',
}

function failure(verb: Verb, call: Omit<Call, 'input'>, why: string, cause?: unknown): OssbError {
  const program = programOf(call.suffix)
  const action = ACTIONS[verb].replace('SERVER', call.serverUrl ?? '')
  return new OssbError('ERR_OSSB_UNAUTHORIZED', `Cannot ${action} ${nameOf(call)}: ${why}`, {
    cause,
    hint: `Install ${program} and log in again, or take it out of ${call.namedBy}.`,
  })
}

function parseAnswer<Schema extends v.GenericSchema>(
  schema: Schema,
  stdout: string,
): v.InferOutput<Schema> | undefined {
  try {
    const parsed = v.safeParse(schema, JSON.parse(stdout))
    return parsed.success ? parsed.output : undefined
  } catch {
    return undefined
  }
}
