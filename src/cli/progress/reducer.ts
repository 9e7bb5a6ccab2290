import type { SourceRange } from '../../index.ts'
import type { LogLine, ProgressEvent } from './progress-event.ts'

/** Lines of output that are kept of each step, for the live view and for the report of a failure. */
const KEPT_LINES = 10

/** Bytes or files on their way. Times are milliseconds since the epoch. */
export interface Transfer {
  readonly what: string
  readonly current: number
  readonly total?: number
  readonly unit: 'bytes' | 'files'
  readonly startedAt: number
  readonly updatedAt: number
}

export interface Step {
  readonly key: string
  /** Counted from 1 in the order in which steps were heard of. */
  readonly number: number
  readonly name: string
  readonly status: 'running' | 'cached' | 'done' | 'failed' | 'canceled'
  readonly startedAt: number
  readonly endedAt?: number
  readonly error?: string
  readonly transfers: readonly Transfer[]
  readonly log: readonly LogLine[]
}

export interface Warning {
  readonly rule: string
  readonly message: string
  readonly source?: SourceRange
}

export interface ProgressState {
  readonly startedAt: number
  readonly finishedAt?: number
  readonly outcome?: 'done' | 'failed'
  readonly steps: readonly Step[]
  readonly warnings: readonly Warning[]
}

export function initialState(time: number): ProgressState {
  return { startedAt: time, steps: [], warnings: [] }
}

/** The state after `event`. */
export function reduce(state: ProgressState, event: ProgressEvent): ProgressState {
  if (event.type === 'finished') return finish(state, event)
  if (event.type !== 'warning') return updateStep(state, event)
  return { ...state, warnings: addWarning(state.warnings, event) }
}

type FinishedEvent = Extract<ProgressEvent, { readonly type: 'finished' }>
type StepEvent = Exclude<ProgressEvent, { readonly type: 'finished' | 'warning' }>

/**
 * The step that an event is about, as it was before the event. An event without vertex belongs to the step of its
 * name, or to what else without vertex was begun last, or is a step of its own.
 */
function stepOf(state: ProgressState, event: Exclude<ProgressEvent, FinishedEvent>): Step | undefined {
  if (event.vertex !== undefined) return state.steps.find(({ key }) => key === event.vertex)
  const key = keyOf(event)
  const running = state.steps.filter((step) => step.status === 'running')
  const same = (nameOf(event) === undefined ? state.steps : running).findLast((step) => step.key === key)
  return (
    same ??
    (nameOf(event) === undefined ? running.findLast((step) => step.key.startsWith('name ')) : undefined)
  )
}

/** The step that an event was about, as the event left it. */
export function touchedStep(
  before: ProgressState,
  after: ProgressState,
  event: ProgressEvent,
): Step | undefined {
  if (event.type === 'finished') return undefined
  const known = stepOf(before, event)
  if (known !== undefined) return after.steps[known.number - 1]
  return after.steps.length > before.steps.length ? after.steps.at(-1) : undefined
}

function keyOf(event: Exclude<ProgressEvent, FinishedEvent>): string {
  if (event.vertex !== undefined) return event.vertex
  return event.type === 'progress' ? `what ${event.what}` : `name ${nameOf(event) ?? ''}`
}

function nameOf(event: ProgressEvent): string | undefined {
  return 'name' in event ? event.name : undefined
}

function updateStep(state: ProgressState, event: StepEvent): ProgressState {
  const known = stepOf(state, event)
  if (known === undefined) {
    const step = applyEvent(newStep(state, event), event)
    return { ...state, steps: [...state.steps, step] }
  }
  return {
    ...state,
    steps: state.steps.map((step) => (step === known ? applyEvent(step, event) : step)),
  }
}

function newStep(state: ProgressState, event: StepEvent): Step {
  return {
    key: keyOf(event),
    number: state.steps.length + 1,
    name: nameOf(event) ?? (event.type === 'progress' ? event.what : '[internal]'),
    status: 'running',
    startedAt: event.time,
    transfers: [],
    log: [],
  }
}

function applyEvent(step: Step, event: StepEvent): Step {
  if (event.type === 'started') return { ...step, name: event.name }
  if (event.type === 'cached') return { ...step, name: event.name, status: 'cached', endedAt: event.time }
  if (event.type === 'completed') return complete(step, event)
  if (event.type === 'progress') return transfer(step, event)
  const lines = event.lines.map((text) => ({ time: event.time, text }))
  return { ...step, log: [...step.log, ...lines].slice(-KEPT_LINES) }
}

function complete(step: Step, event: Extract<ProgressEvent, { readonly type: 'completed' }>): Step {
  if (step.status === 'cached' && event.error === undefined) return step
  return {
    ...step,
    name: event.name,
    status: event.error === undefined ? 'done' : 'failed',
    endedAt: event.time,
    ...(event.error === undefined ? {} : { error: event.error }),
  }
}

/** A step that is a transfer and nothing else is done with it. */
function transfer(step: Step, event: Extract<ProgressEvent, { readonly type: 'progress' }>): Step {
  const transfers = updateTransfer(step.transfers, event)
  const isDone = step.key.startsWith('what ') && transfers.every(isComplete)
  return { ...step, transfers, ...(isDone ? { status: 'done', endedAt: event.time } : {}) }
}

export function isComplete({ current, total }: Transfer): boolean {
  return total !== undefined && current >= total
}

function updateTransfer(
  transfers: readonly Transfer[],
  event: Extract<ProgressEvent, { readonly type: 'progress' }>,
): readonly Transfer[] {
  const known = transfers.find(({ what }) => what === event.what)
  const total = event.total ?? known?.total
  const transfer: Transfer = {
    what: event.what,
    current: event.current,
    ...(total === undefined ? {} : { total }),
    unit: event.unit ?? known?.unit ?? 'bytes',
    startedAt: known?.startedAt ?? event.time,
    updatedAt: event.time,
  }
  return known === undefined
    ? [...transfers, transfer]
    : transfers.map((other) => (other === known ? transfer : other))
}

/** The same warning about the same lines is kept once: a stage may be looked at more than once. */
function addWarning(
  warnings: readonly Warning[],
  { rule, message, source }: Extract<ProgressEvent, { readonly type: 'warning' }>,
): readonly Warning[] {
  const isKnown = warnings.some(
    (warning) =>
      warning.rule === rule &&
      warning.message === message &&
      warning.source?.file === source?.file &&
      warning.source?.startLine === source?.startLine,
  )
  return isKnown ? warnings : [...warnings, { rule, message, ...(source === undefined ? {} : { source }) }]
}

/** Steps that never said how they ended: done with a good build, given up with a failed one. */
function finish(state: ProgressState, event: FinishedEvent): ProgressState {
  const status = event.outcome === 'done' ? 'done' : 'canceled'
  return {
    ...state,
    outcome: event.outcome,
    finishedAt: event.time,
    steps: state.steps.map((step) =>
      step.status === 'running' ? { ...step, status, endedAt: event.time } : step,
    ),
  }
}

/** The step that made the build fail, where one did. */
export function failedStep(state: ProgressState): Step | undefined {
  return state.steps.find(({ status }) => status === 'failed')
}

/** How long a step has been going on, in milliseconds. */
export function elapsed(step: Step, now: number): number {
  return Math.max(0, (step.endedAt ?? now) - step.startedAt)
}
