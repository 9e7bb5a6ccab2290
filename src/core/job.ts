import type { Digest } from './digest.ts'
import type { SourceRange } from './source-range.ts'

/**
 * The one thing handed down everywhere, as the last parameter of whatever waits or reports:
 * a signal that says when to stop (its `reason` is the error to throw) and a place to report to.
 */
export interface Job {
  readonly signal: AbortSignal
  emit(event: BuildEvent): void
}

/** What a build reports. `vertex` ties an event to a step; renderers put a time on events as they arrive. */
export type BuildEvent = { readonly vertex?: Digest } & (
  | { readonly type: 'started'; readonly name: string }
  | { readonly type: 'cached'; readonly name: string }
  | { readonly type: 'completed'; readonly name: string; readonly error?: string }
  | {
      readonly type: 'progress'
      readonly what: string
      readonly current: number
      readonly total?: number
      readonly unit?: 'bytes' | 'files'
    }
  /** A part of the work, for who asks where the time goes. */
  | { readonly type: 'phase'; readonly what: string; readonly status: 'started' | 'ended' }
  | { readonly type: 'log'; readonly stream: 'stdout' | 'stderr'; readonly chunk: Uint8Array }
  | {
      readonly type: 'warning'
      readonly rule: string
      readonly message: string
      readonly source?: SourceRange
    }
)

/** A job whose events all belong to one step. */
export function jobOf(job: Job, vertex: Digest): Job {
  return { signal: job.signal, emit: (event) => job.emit({ vertex, ...event }) }
}

/** Does a part of the work, and reports when it began and ended. No two parts of one step have one name at a time. */
export async function phase<T>(what: string, task: () => Promise<T>, job: Job): Promise<T> {
  job.emit({ type: 'phase', what, status: 'started' })
  try {
    return await task()
  } finally {
    job.emit({ type: 'phase', what, status: 'ended' })
  }
}
