import { type ErrorCode, fileSystemError, OssbError } from '../core/index.ts'
import { LoginRefused } from './authorizer.ts'
import { describeFailure, HttpFailure } from './http-failure.ts'
import { pushHint } from './push-hint.ts'
import { connectionCode } from './retry-policy.ts'

/** What an error of a registry is explained with. */
export interface FailureContext {
  /** `push blob sha256:… to "r.io/x"` */
  readonly action: string
  readonly registry: string
  /** Where the credentials came from. */
  readonly credentials: string
}

/** A failure inside this folder as the error that callers see; an OssbError and the reason of an abort pass. */
export function toOssbError(error: unknown, context: FailureContext): unknown {
  if (error instanceof OssbError) return error
  if (error instanceof LoginRefused) return refusedLogin(error, context)
  if (error instanceof HttpFailure) return statusError(error, context)
  const code = connectionCode(error)
  if (code === undefined) return error
  // What is pushed is read from a disk, which has troubles of its own.
  return isFileError(error) ? fileSystemError(context.action, error) : networkError(error, code, context)
}

function isFileError(error: unknown): boolean {
  return (
    error instanceof Error &&
    'syscall' in error &&
    ['open', 'read', 'fstat', 'close'].includes(String(error.syscall)) &&
    !isReset(error)
  )
}

/** Reading from a socket fails with `read`, too. */
function isReset(error: Error): boolean {
  return connectionCode(error) === 'ECONNRESET' || connectionCode(error) === 'ETIMEDOUT'
}

function refusedLogin(error: LoginRefused, { action, credentials }: FailureContext): OssbError {
  return new OssbError(
    'ERR_OSSB_UNAUTHORIZED',
    `Cannot ${action}: login refused: ${describeFailure(error.cause)}`,
    {
      cause: error,
      hint: credentials,
    },
  )
}

function statusError(failure: HttpFailure, context: FailureContext): OssbError {
  return new OssbError(codeOf(failure), `Cannot ${context.action}: ${describeFailure(failure)}`, {
    cause: failure,
    hint: hintFor(failure, context),
  })
}

function codeOf({ status }: HttpFailure): ErrorCode {
  if (status === 401 || status === 403) return 'ERR_OSSB_UNAUTHORIZED'
  return status === 404 ? 'ERR_OSSB_NOT_FOUND' : 'ERR_OSSB_REGISTRY'
}

function hintFor(failure: HttpFailure, context: FailureContext): string {
  const { credentials } = context
  const forPush =
    failure.method === 'GET' || failure.method === 'HEAD' ? undefined : pushHint(failure, context)
  if (forPush !== undefined) return forPush
  if (failure.status === 401 || failure.status === 403)
    return `It may be private, or not exist. ${credentials}`
  if (failure.status === 404)
    return `Check the name and the tag; a private repository may look like a missing one. ${credentials}`
  if (failure.status === 405) return 'The registry does not allow this: it may be a read-only mirror.'
  if (failure.status === 413) return 'The registry, or a proxy in front of it, limits the size of a request.'
  if (failure.status === 429)
    return `The registry limits how often it may be asked${failure.retryAfter === undefined ? '' : `; retry after ${failure.retryAfter}`}. Logging in often raises the limit.`
  if (failure.status >= 500) return 'The registry is in trouble: try again later, or ask who runs it.'
  return `The registry refused the request. ${credentials}`
}

const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_(?:GET_ISSUER|VERIFY_LEAF)|ALTNAME/

function networkError(error: unknown, code: string, { action, registry }: FailureContext): OssbError {
  const reason = firstMessage(error)
  return new OssbError(
    'ERR_OSSB_NETWORK',
    `Cannot ${action}: ${reason}${reason.includes(code) ? '' : ` (${code})`}`,
    {
      cause: error,
      hint: networkHint(code, registry),
    },
  )
}

function networkHint(code: string, registry: string): string {
  if (CERTIFICATE.test(code))
    return (
      `The certificate of ${registry} is not trusted. Name the file of its authority in SSL_CERT_FILE, ` +
      `put it into /etc/docker/certs.d/${registry}/ca.crt, or use --insecure-registry ${registry}.`
    )
  if (/^(EPROTO|ERR_SSL)/.test(code))
    return `${registry} does not answer with TLS. If it serves plain HTTP, use --insecure-registry ${registry}.`
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return `The name of ${registry} was not found: check its spelling, the name server, and HTTPS_PROXY if there is a proxy.`
  return `Check that ${registry} is up and can be reached from here, and HTTPS_PROXY and NO_PROXY if there is a proxy.`
}

/** An AggregateError (several addresses were tried) has no message of its own. */
function firstMessage(error: unknown): string {
  if (error instanceof AggregateError && error.message === '')
    return error.errors.map((one) => (one instanceof Error ? one.message : String(one))).join('; ')
  return error instanceof Error ? error.message.split('\n', 1)[0] || error.name : String(error)
}
