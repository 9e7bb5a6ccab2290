import type { Job } from '../core/index.ts'
import type { Clock } from '../io/index.ts'

export interface Transfer {
  /** `pull sha256:0123456789ab…` */
  readonly what: string
  /** Bytes in all. */
  readonly total: number
}

const EVERY_MS = 100

/** Reports how far a transfer is, at most ten times a second and always at its end. */
export function reportProgress({ what, total }: Transfer, clock: Clock, job: Job): (current: number) => void {
  let reportedAt = Number.NEGATIVE_INFINITY
  return (current) => {
    const now = clock.now()
    if (current < total && now - reportedAt < EVERY_MS) return
    reportedAt = now
    job.emit({ type: 'progress', what, current, total, unit: 'bytes' })
  }
}
