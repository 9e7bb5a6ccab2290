import type { BuildEvent } from '../index.ts'

/** When what of a build ran: takes its events as they come, and gives them as a trace in the end. */
export interface Profile {
  take(event: BuildEvent): void
  /** Chrome's trace event format (JSON object form), which Perfetto and chrome://tracing show. */
  end(outcome: 'done' | 'failed'): string
}

interface Span {
  readonly name: string
  readonly category: 'build' | 'step' | 'phase' | 'transfer'
  readonly start: number
  readonly lane: number
}

/** One of a trace: `ts` and `dur` in microseconds from the start of the build, `tid` the lane that it is drawn in. */
type TraceEvent = Readonly<Record<string, unknown>>

/**
 * The build is one span over all, and each step, each part of it and each transfer one below it. Spans that run at one time are in lanes
 * of their own, so that no two in a lane overlap.
 * @param now milliseconds
 */
export function createProfile(now: () => number): Profile {
  const begin = now()
  const events: TraceEvent[] = []
  const open = new Map<string, Span>()
  const start = (key: string, name: string, category: Span['category']) => {
    if (open.has(key)) return
    const taken = new Set([...open.values()].map(({ lane }) => lane))
    let lane = 0
    while (taken.has(lane)) lane += 1
    open.set(key, { name, category, start: now(), lane })
  }
  const finish = (key: string, args: TraceEvent = {}) => {
    const span = open.get(key)
    if (span === undefined) return
    open.delete(key)
    const { name, category: cat, lane } = span
    const [ts, dur] = [microseconds(span.start - begin), microseconds(now() - span.start)]
    events.push({ name, cat, ph: 'X', ts, dur, pid: 1, tid: lane, args })
  }
  const finishStep = (step: string, args: TraceEvent) => {
    for (const key of open.keys()) if (key.startsWith(`${step}\0`)) finish(key)
    finish(step, args)
  }
  start('', 'ossb build', 'build')
  return {
    take(event) {
      const step = event.vertex ?? 'build'
      if (event.type === 'started') start(step, event.name, 'step')
      else if (event.type === 'completed')
        finishStep(step, event.error === undefined ? {} : { error: event.error })
      else if (event.type === 'progress') {
        const key = `${step}\0${event.what}`
        start(key, event.what, 'transfer')
        if (event.current === event.total) finish(key, { size: event.current, unit: event.unit })
      } else if (event.type === 'phase') {
        const key = `${step}\0phase ${event.what}`
        if (event.status === 'started') start(key, event.what, 'phase')
        else finish(key)
      } else if (event.type === 'cached')
        events.push({
          name: `${event.name} (cached)`,
          cat: 'step',
          ph: 'i',
          s: 'p',
          ts: microseconds(now() - begin),
          pid: 1,
          tid: 0,
        })
    },
    end(outcome) {
      // What a failure left open ends with the build, which was opened first.
      for (const key of [...open.keys()].reverse()) finish(key, { outcome })
      return `${JSON.stringify({ displayTimeUnit: 'ms', traceEvents: [PROCESS, ...events] })}\n`
    },
  }
}

const PROCESS: TraceEvent = { name: 'process_name', ph: 'M', pid: 1, tid: 0, args: { name: 'ossb' } }

function microseconds(milliseconds: number): number {
  return Math.round(milliseconds * 1000)
}
