import * as v from 'valibot'
import { OssbError } from '../../core/index.ts'
import { runProcess } from '../../io/index.ts'
import type { Credential } from './credential.ts'

export interface HelperRequest {
  /** The program is `docker-credential-<suffix>`. */
  readonly suffix: string
  readonly serverUrl: string
  /** What names the helper, for messages. */
  readonly name: string
  readonly environment: Readonly<Record<string, string | undefined>>
  /** How long it may take, in milliseconds; 30 s when absent. */
  readonly limitMs?: number
}

const HELPER_MS = 30_000
const NOT_FOUND = 'credentials not found in native keychain'
/** The user name by which a helper says that the secret is a refresh token. */
const TOKEN_USER = '<token>'

const answer = v.object({ Username: v.string(), Secret: v.string() })

/**
 * Asks a credential helper (the protocol of docker-credential-helpers: the server on standard input, JSON back).
 * @throws OssbError when it is missing, fails, answers nonsense or takes more than 30 s
 */
export async function askHelper(
  request: HelperRequest,
  signal: AbortSignal,
): Promise<Credential | undefined> {
  const program = `docker-credential-${request.suffix}`
  const source = `the credential helper ${program} that ${request.name} names`
  const failed = (why: string, cause?: unknown) =>
    new OssbError(
      'ERR_OSSB_UNAUTHORIZED',
      `Cannot get credentials for ${request.serverUrl} from ${source}: ${why}`,
      {
        cause,
        hint: `Install ${program} and log in again, or take it out of ${request.name}.`,
      },
    )
  if (!/^[A-Za-z0-9._-]+$/.test(request.suffix)) throw failed('that is not a name of a program')
  const limitMs = request.limitMs ?? HELPER_MS
  const timeout = AbortSignal.timeout(limitMs)
  const job = { signal: AbortSignal.any([signal, timeout]), emit: () => {} }
  const options = { env: request.environment, input: `${request.serverUrl}\n` }
  const outcome = await runProcess([program, 'get'], options, job).catch((cause: unknown) => {
    if (signal.aborted) throw signal.reason
    throw failed(timeout.aborted ? `no answer within ${limitMs / 1000} s` : 'it could not be started', cause)
  })
  if (outcome.exitCode !== 0) {
    if (outcome.stdout.trim() === NOT_FOUND) return undefined
    throw failed(`it ended with status ${outcome.exitCode}`)
  }
  const found = parseAnswer(outcome.stdout)
  if (found === undefined) throw failed('its answer is not the JSON of a credential')
  if (found.Secret === '') return undefined
  return found.Username === TOKEN_USER
    ? { type: 'identity-token', token: found.Secret, source }
    : { type: 'basic', username: found.Username, password: found.Secret, source }
}

function parseAnswer(stdout: string): v.InferOutput<typeof answer> | undefined {
  try {
    const parsed = v.safeParse(answer, JSON.parse(stdout))
    return parsed.success ? parsed.output : undefined
  } catch {
    return undefined
  }
}
