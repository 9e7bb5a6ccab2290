import type { ProgressEvent } from './progress-event.ts'
import type { ProgressState, Step } from './reducer.ts'

/** An event, the step it was about, and the state that it led to. */
export interface Moment {
  readonly event: ProgressEvent
  readonly step: Step | undefined
  readonly state: ProgressState
}

/** Shows the states that a build goes through. */
export interface ProgressRenderer {
  show(moment: Moment): void
  /** Called now and then while nothing may be happening. */
  tick?(state: ProgressState, now: number): void
  /** How often `tick` wants to be called, in milliseconds. */
  readonly tickInterval?: number
}
