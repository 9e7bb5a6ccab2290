import { type Clock, retry } from '../io/index.ts'
import { adviseRetry, createGate, type Gate, noteAttempts, requestRetry } from './retry-policy.ts'

/** Runs requests again when their failure may pass, and holds all requests to an origin that asked for a pause. */
export interface Exchange {
  readonly clock: Clock
  run<T>(host: string, attempt: () => Promise<T>, options: ExchangeOptions, signal: AbortSignal): Promise<T>
}

interface ExchangeOptions {
  /** `once` for what can't be sent again as it is; a pause that was asked for is kept all the same. */
  readonly retry: 'standard' | 'once'
}

export function createExchange(clock: Clock): Exchange {
  const gates = new Map<string, Gate>()
  const standard = requestRetry(clock)

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
          gate.closeFor(adviseRetry(error, clock)?.afterMs ?? 0)
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
