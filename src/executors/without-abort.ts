import type { Job } from '../core/index.ts'

/** The job for what has to be done even when it was aborted: cleaning up. */
export function withoutAbort(job: Job): Job {
  return { signal: new AbortController().signal, emit: (event) => job.emit(event) }
}
