import { type ErrorCode, fileSystemError, OssbError } from '../core/index.ts'
import { CertificateFailure, isCertificateCode } from './http/certificate.ts'
import { connectionCode } from './http/connection-code.ts'
import { describeFailure, HttpFailure } from './http/http-failure.ts'
import { LoginFailure } from './auth/login-failure.ts'
import { pushHint } from './upload/push-hint.ts'
import { attemptsOf } from './http/retry-policy.ts'
import { ProxyFailure } from './http/tunnel.ts'

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
  if (error instanceof LoginFailure) return failedLogin(error, context)
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

function failedLogin({ cause, host }: LoginFailure, context: FailureContext): unknown {
  if (!(cause instanceof HttpFailure)) return toOssbError(cause, { ...context, registry: host })
  const isRefused = cause.status === 401 || cause.status === 403
  return new OssbError(
    isRefused ? 'ERR_OSSB_UNAUTHORIZED' : 'ERR_OSSB_REGISTRY',
    `Cannot ${context.action}: login ${isRefused ? 'refused' : 'failed'}: ${describeFailure(cause)}${afterAttempts(cause)}`,
    { cause, hint: isRefused ? context.credentials : hintFor(cause, { ...context, registry: host }) },
  )
}

function statusError(failure: HttpFailure, context: FailureContext): OssbError {
  return new OssbError(
    codeOf(failure),
    `Cannot ${context.action}: ${describeFailure(failure)}${afterAttempts(failure)}`,
    { cause: failure, hint: hintFor(failure, context) },
  )
}

function afterAttempts(error: unknown): string {
  const count = attemptsOf(error)
  return count === 1 ? '' : `, after ${count} attempts`
}

function codeOf({ status, from }: HttpFailure): ErrorCode {
  if (from === 'storage') return 'ERR_OSSB_REGISTRY'
  if (status === 401 || status === 403) return 'ERR_OSSB_UNAUTHORIZED'
  return status === 404 ? 'ERR_OSSB_NOT_FOUND' : 'ERR_OSSB_REGISTRY'
}

function hintFor(failure: HttpFailure, context: FailureContext): string {
  const { credentials, registry } = context
  if (failure.from === 'storage')
    return `${registry} sent us there for the content. Ask who runs it: what it signs may have expired, or be for other readers.`
  const forPush =
    failure.method === 'GET' || failure.method === 'HEAD' ? undefined : pushHint(failure, context)
  if (forPush !== undefined) return forPush
  if (failure.status === 401 || failure.status === 403)
    return `It may be private, or not exist. ${credentials}`
  if (failure.status === 404)
    return `Check the name and the tag. A private repository may look like a missing one, and so may all that a mirror has not seen while it can't reach its origin. ${credentials}`
  if (failure.status === 405) return 'The registry does not allow this: it may be a read-only mirror.'
  if (failure.status === 413) return 'The registry, or a proxy in front of it, limits the size of a request.'
  if (failure.status === 429) return `Rate limited${retryAfter(failure)}. Logging in often raises the limit.`
  if (failure.status >= 500)
    return `The registry is in trouble${retryAfter(failure)}: try again later, or ask who runs it.`
  return `The registry refused the request. ${credentials}`
}

function retryAfter({ retryAfter: text }: HttpFailure): string {
  if (text === undefined) return ''
  return `, retry after ${/^\d+$/.test(text) ? `${text} s` : text.slice(0, 40)}`
}

function networkError(error: unknown, code: string, { action, registry }: FailureContext): OssbError {
  const reason = firstMessage(error)
  return new OssbError(
    'ERR_OSSB_NETWORK',
    `Cannot ${action}: ${reason}${reason.includes(code) || error instanceof ProxyFailure ? '' : ` (${code})`}${afterAttempts(error)}`,
    { cause: error, hint: networkHint(error, code, registry) },
  )
}

function networkHint(error: unknown, code: string, registry: string): string {
  if (error instanceof ProxyFailure)
    return 'The proxy is that of HTTPS_PROXY or HTTP_PROXY. Name hosts that need none in NO_PROXY: names, addresses, or networks such as 10.0.0.0/8.'
  if (error instanceof CertificateFailure || isCertificateCode(code)) return certificateHint(code, registry)
  if (/ALERT/.test(code) || (code === 'EPROTO' && firstMessage(error).includes('alert')))
    return (
      `${registry} ended the TLS handshake: most often it wants a client certificate, or another one. Name them with ` +
      `--registry-client-cert ${registry}=CERT,KEY, or put them into ${certificateDirectory(registry)} as client.cert and client.key.`
    )
  if (/^(EPROTO|ERR_SSL)/.test(code))
    return `${registry} does not answer with TLS. If it serves plain HTTP, use --insecure-registry ${registry}.`
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return `The name of ${registry} was not found: check its spelling, the name server, and HTTPS_PROXY if there is a proxy.`
  return `Check that ${registry} is up and can be reached from here, and HTTPS_PROXY and NO_PROXY if there is a proxy.`
}

function certificateHint(code: string, registry: string): string {
  const insecure = `or use --insecure-registry ${registry} to speak to it unverified.`
  if (/EXPIRED|NOT_YET/.test(code))
    return `Check the clock of this machine (it is ${new Date().toUTCString()}) and have the certificate renewed, ${insecure}`
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return `Use a name that the certificate is for, have one made for this name, ${insecure}`
  return (
    `Name the file of its authority with --registry-certificate ${registry}=FILE or in SSL_CERT_FILE, ` +
    `put it into ${certificateDirectory(registry)} as ca.crt, ` +
    insecure
  )
}

function certificateDirectory(registry: string): string {
  return `/etc/docker/certs.d/${registry}`
}

/** An AggregateError (several addresses were tried) has no message of its own. */
function firstMessage(error: unknown): string {
  if (error instanceof AggregateError && error.message === '')
    return error.errors.map((one) => (one instanceof Error ? one.message : String(one))).join('; ')
  return error instanceof Error ? error.message.split('\n', 1)[0] || error.name : String(error)
}
