import { type Clock, type RetryOptions, retry } from '../../io/index.ts'
import { createGate, type Gate, noteAttempts, requestRetry } from './retry-policy.ts'

/** Runs requests again when their failure may pass, and holds all requests to an origin that asked for a pause. */
export interface Exchange {
  readonly clock: Clock
  run<T>(host: string, attempt: () => Promise<T>, options: ExchangeOptions, signal: AbortSignal): Promise<T>
}

interface ExchangeOptions {
  /** `once` for what can't be sent again as it is; a pause that was asked for is kept all the same. */
  readonly retry: 'standard' | 'once'
}

/** How often a request is sent whose failure may pass; the standard where both are absent. */
export interface Patience {
  /** At most so often. */
  readonly attempts?: number
  /** At least so often more than once, before it is given up. */
  readonly retries?: number
}

export function createExchange(clock: Clock, patience: Patience = {}): Exchange {
  const gates = new Map<string, Gate>()
  const standard = hurried(patient(requestRetry(clock), patience.retries), patience.attempts)

  const gateOf = (host: string): Gate => {
    const gate = gates.get(host) ?? createGate(clock)
    gates.set(host, gate)
    return gate
  }

  return {
    clock,
    run(host, attempt, options, signal) {
      const gate = gateOf(host)
      const passing = async (number: number) => {
        await gate.pass(signal)
        try {
          return await attempt()
        } catch (error) {
          gate.closeFor(standard.advise(error)?.afterMs ?? 0)
          noteAttempts(error, number)
          throw error
        }
      }
      return retry(
        passing,
        options.retry === 'once' ? { ...standard, attempts: 1, advise: () => undefined } : standard,
        signal,
      )
    },
  }
}

/** More attempts for every kind of failure. */
function patient(options: RetryOptions, retries = 0): RetryOptions {
  const attempts = Math.max(options.attempts, retries + 1)
  const advise = (error: unknown) => {
    const advice = options.advise(error)
    if (advice?.attempts === undefined) return advice
    return { ...advice, attempts: Math.max(advice.attempts, retries + 1) }
  }
  return { ...options, attempts, advise }
}

/** Fewer attempts for every kind of failure, and none where a wait is asked for: somebody else is asked then. */
function hurried(options: RetryOptions, attempts: number | undefined): RetryOptions {
  if (attempts === undefined) return options
  const advise = (error: unknown) => {
    const advice = options.advise(error)
    if (advice === undefined || (advice.afterMs ?? 0) > 0) return undefined
    return { ...advice, attempts: Math.min(attempts, advice.attempts ?? attempts) }
  }
  return { ...options, attempts, advise }
}
