import type { BuildEvent } from '../../index.ts'

/** One line of a step's output, as text that is safe to show. */
export interface LogLine {
  /** Milliseconds since the epoch. */
  readonly time: number
  readonly text: string
}

/**
 * What renderers are told: a build event with the time it came, output as whole lines instead of chunks,
 * and the end of the whole build.
 */
export type ProgressEvent = { readonly time: number } & (
  | Exclude<BuildEvent, { readonly type: 'log' | 'phase' }>
  | {
      readonly type: 'lines'
      readonly vertex?: BuildEvent['vertex']
      readonly stream: 'stdout' | 'stderr'
      readonly lines: readonly string[]
    }
  | { readonly type: 'finished'; readonly outcome: 'done' | 'failed' }
)
