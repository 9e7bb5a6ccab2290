import { setTimeout as delay } from 'node:timers/promises'

/** Time and chance, so that a test can hold both in its hand. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
  /** Resolves after `ms`; rejects with `signal.reason` when the signal is aborted. */
  sleep(ms: number, signal: AbortSignal): Promise<void>
  /** A number from 0 up to, but not including, 1. */
  random(): number
}

export const systemClock: Clock = {
  now: () => Date.now(),
  random: () => Math.random(),
  async sleep(ms, signal) {
    try {
      await delay(ms, undefined, { signal })
    } catch {
      throw signal.reason
    }
  },
}

/** What to do about one failure. */
export interface RetryAdvice {
  /** How many attempts this kind of failure deserves in all; absent leaves it to RetryOptions. */
  readonly attempts?: number
  /** Milliseconds to wait at least, as the other side asked. */
  readonly afterMs?: number
}

export interface RetryOptions {
  readonly clock: Clock
  /** How many attempts in all, the first one included. */
  readonly attempts: number
  /** The upper bound of the first delay in milliseconds; it doubles with each attempt. */
  readonly baseMs: number
  readonly maxMs: number
  /** `undefined` for a failure that another attempt would not mend. */
  advise(error: unknown): RetryAdvice | undefined
}

/**
 * Runs an operation until it succeeds, or fails for good: then with its last error. Delays are random between 0
 * and a bound that doubles ("full jitter"), so that clients which failed together do not come back together.
 */
export async function retry<T>(
  operation: (attempt: number) => Promise<T>,
  options: RetryOptions,
  signal: AbortSignal,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    signal.throwIfAborted()
    try {
      return await operation(attempt)
    } catch (error) {
      if (signal.aborted) throw signal.reason
      const advice = options.advise(error)
      if (advice === undefined || attempt >= (advice.attempts ?? options.attempts)) throw error
      await options.clock.sleep(backOff(attempt, advice, options), signal)
    }
  }
}

/** Milliseconds to wait after the failure of attempt number `attempt`. */
export function backOff(
  attempt: number,
  advice: RetryAdvice,
  options: Pick<RetryOptions, 'clock' | 'baseMs' | 'maxMs'>,
): number {
  const bound = Math.min(options.maxMs, options.baseMs * 2 ** (attempt - 1))
  return (advice.afterMs ?? 0) + Math.round(options.clock.random() * bound)
}
