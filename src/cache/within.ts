import { type Job, OssbError } from '../core/index.ts'

/**
 * Stops what takes longer than it is worth.
 * @throws OssbError ERR_OSSB_CACHE after `ms` milliseconds
 */
export async function withinMs<T>(ms: number, action: (own: Job) => Promise<T>, job: Job): Promise<T> {
  const limit = new AbortController()
  const timer = setTimeout(
    () => limit.abort(new OssbError('ERR_OSSB_CACHE', `there was no answer within ${ms / 1000} s`)),
    ms,
  )
  try {
    return await action({
      signal: AbortSignal.any([job.signal, limit.signal]),
      emit: (event) => job.emit(event),
    })
  } catch (error) {
    throw limit.signal.aborted && !job.signal.aborted ? limit.signal.reason : error
  } finally {
    clearTimeout(timer)
  }
}
