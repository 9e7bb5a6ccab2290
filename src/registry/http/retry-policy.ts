import type { Clock, RetryAdvice, RetryOptions } from '../../io/index.ts'
import { connectionCode } from './connection-code.ts'
import { HttpFailure } from './http-failure.ts'
import { LoginFailure } from '../auth/login-failure.ts'

const TRANSIENT_STATUS: ReadonlySet<number> = new Set([
  408, 425, 429, 499, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529,
])

/** Failures of a connection that another one may not have, and how many attempts each deserves. */
const TRANSIENT_CODES: Readonly<Record<string, RetryAdvice>> = {
  ECONNRESET: {},
  EPIPE: {},
  ETIMEDOUT: {},
  EHOSTUNREACH: {},
  ENETUNREACH: {},
  EAI_AGAIN: {},
  ECONNREFUSED: { attempts: 3 },
  ENOTFOUND: { attempts: 2 },
  UND_ERR_SOCKET: {},
  UND_ERR_CONNECT_TIMEOUT: {},
  UND_ERR_HEADERS_TIMEOUT: {},
  UND_ERR_BODY_TIMEOUT: {},
  OSSB_PROXY_BUSY: {},
  OSSB_STALLED: {},
  OSSB_SHORT_BODY: {},
}

/** The longest wait that a registry may ask for; above it the build ends and says so. */
const MAX_RETRY_AFTER_MS = 120_000

/** A connection that gave less than was due, or nothing for too long. */
export class TransferFailure extends Error {
  readonly code: 'OSSB_STALLED' | 'OSSB_SHORT_BODY'

  constructor(code: TransferFailure['code'], message: string) {
    super(message)
    this.name = 'TransferFailure'
    this.code = code
  }
}

/** Storage that a registry sends us to says so when a signed address has expired; the registry has a new one. */
const EXPIRED_ADDRESS: ReadonlySet<number> = new Set([400, 401, 403, 404, 410])

/** What a failure of one request deserves: see RetryOptions.advise. */
export function adviseRetry(error: unknown, clock: Clock): RetryAdvice | undefined {
  if (error instanceof LoginFailure) return undefined
  if (!(error instanceof HttpFailure)) return TRANSIENT_CODES[connectionCode(error) ?? '']
  if (error.from === 'storage' && EXPIRED_ADDRESS.has(error.status)) return { attempts: 3 }
  if (!TRANSIENT_STATUS.has(error.status)) return undefined
  const afterMs = retryAfterMs(error.retryAfter, clock.now())
  if (afterMs === undefined) return {}
  return afterMs > MAX_RETRY_AFTER_MS ? undefined : { afterMs }
}

/** Milliseconds that a Retry-After header asks for: seconds or a date (RFC 9110 10.2.3); `undefined` for neither. */
export function retryAfterMs(value: string | undefined, now: number): number | undefined {
  if (value === undefined) return undefined
  const text = value.trim()
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000
  const date = /[a-z]/i.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}

export function requestRetry(clock: Clock): RetryOptions {
  return {
    clock,
    attempts: 6,
    baseMs: 500,
    maxMs: 30_000,
    advise: (error) => adviseRetry(error, clock),
  }
}

/**
 * One for each origin: when a registry asks one request to wait, all of them wait, or sixteen parallel layers would
 * ask sixteen times.
 */
export interface Gate {
  pass(signal: AbortSignal): Promise<void>
  closeFor(ms: number): void
}

export function createGate(clock: Clock): Gate {
  let opensAt = 0
  return {
    async pass(signal) {
      for (let wait = opensAt - clock.now(); wait > 0; wait = opensAt - clock.now())
        await clock.sleep(wait, signal)
    },
    closeFor(ms) {
      opensAt = Math.max(opensAt, clock.now() + ms)
    },
  }
}

const attempts = new WeakMap<object, number>()

/** Remembers how often something was tried before it failed for good. */
export function noteAttempts(error: unknown, count: number): void {
  if (error instanceof Error) attempts.set(error, count)
}

export function attemptsOf(error: unknown): number {
  return (error instanceof Error ? attempts.get(error) : undefined) ?? 1
}
