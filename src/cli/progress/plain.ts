import { elapsed, isComplete, type ProgressState, type Step, type Transfer } from './reducer.ts'
import type { Moment, ProgressRenderer } from './renderer.ts'
import { duration, logTime, transferStatus, warningText } from './wording.ts'

/** A step keeps the floor this long before the lines of another may come between its own. */
const TURN_MS = 5_000
/** A transfer under way is reported this often. */
const TRANSFER_MS = 5_000

/** Who may write: steps that run side by side take turns, so that their lines stay together. */
interface Floor {
  readonly say: (step: Step, lines: readonly string[], now: number) => void
  /** The last lines of a step, which never wait. */
  readonly end: (step: Step, lines: readonly string[], now: number) => void
  readonly takeTurn: (state: ProgressState, now: number) => void
}

/** Progress as lines for a log file: `#3 [2/4] RUN make`, `#3 0.512 cc -c a.c`, `#3 DONE 2.1s`. */
export function createPlainRenderer(writeLine: (line: string) => void): ProgressRenderer {
  const floor = createFloor(writeLine)
  const transfers = createTransferReports()
  const ended = new Set<string>()
  const end = (step: Step, now: number) => {
    if (ended.has(step.key)) return
    ended.add(step.key)
    floor.end(step, [...transfers.rest(step), endOf(step, now)], now)
  }
  const sayLate = (moment: Moment, step: Step) => {
    const lines = linesOf(moment)
    if (lines.length > 0) floor.end(step, lines, moment.event.time)
  }
  const linesOf = ({ event, step }: Moment): readonly string[] => {
    if (step === undefined) return []
    if (event.type === 'warning') return [`WARN: ${warningText(event)}`]
    if (event.type === 'progress') return transfers.report(step, event.what)
    if (event.type !== 'lines') return []
    const time = logTime(event.time - step.startedAt)
    return event.lines.map((line) => `${time} ${line}`)
  }
  return {
    tickInterval: 1_000,
    tick: floor.takeTurn,
    show(moment) {
      const { event, step, state } = moment
      if (event.type === 'finished') for (const open of state.steps) end(open, event.time)
      else if (step === undefined) {
        if (event.type === 'warning') writeLine(`WARN: ${warningText(event)}`)
      } else if (step.status === 'running') floor.say(step, linesOf(moment), event.time)
      else if (ended.has(step.key)) sayLate(moment, step)
      else end(step, event.time)
      floor.takeTurn(state, event.time)
    },
  }
}

function endOf(step: Step, now: number): string {
  if (step.status === 'cached') return 'CACHED'
  if (step.status === 'canceled') return 'CANCELED'
  return step.status === 'failed' ? `ERROR: ${step.error ?? ''}` : `DONE ${duration(elapsed(step, now))}`
}

function createFloor(writeLine: (line: string) => void): Floor {
  const waiting = new Map<string, readonly string[]>()
  let holder: { readonly step: Step; readonly since: number } | undefined
  let isFirst = true
  const give = (step: Step, now: number) => {
    if (holder?.step.key === step.key) return
    if (holder !== undefined) writeLine(`#${holder.step.number} ...`)
    if (!isFirst) writeLine('')
    isFirst = false
    writeLine(`#${step.number} ${step.name}`)
    holder = { step, since: now }
  }
  const flush = (step: Step, lines: readonly string[], now: number) => {
    give(step, now)
    for (const line of [...(waiting.get(step.key) ?? []), ...lines]) writeLine(`#${step.number} ${line}`)
    waiting.delete(step.key)
  }
  return {
    say(step, lines, now) {
      if (holder === undefined || holder.step.key === step.key) flush(step, lines, now)
      else waiting.set(step.key, [...(waiting.get(step.key) ?? []), ...lines])
    },
    end(step, lines, now) {
      flush(step, lines, now)
      holder = undefined
    },
    takeTurn(state, now) {
      if (holder !== undefined && now - holder.since < TURN_MS) return
      const next = state.steps.find(({ key }) => waiting.has(key))
      if (next !== undefined) flush(next, [], now)
    },
  }
}

/** Which transfers to speak of, and when: now and then on their way, and once at their end. */
function createTransferReports(): {
  report: (step: Step, what: string) => readonly string[]
  rest: (step: Step) => readonly string[]
} {
  const reported = new Map<string, Transfer>()
  const keyOf = (step: Step, { what }: Transfer) => `${step.key} ${what}`
  const lineOf = (step: Step, transfer: Transfer) => {
    reported.set(keyOf(step, transfer), transfer)
    return `${transfer.what} ${transferStatus(transfer)}`
  }
  const isDue = (step: Step, transfer: Transfer) => {
    const last = reported.get(keyOf(step, transfer))
    if (last !== undefined && isComplete(last)) return false
    return isComplete(transfer) || transfer.updatedAt - (last?.updatedAt ?? transfer.startedAt) >= TRANSFER_MS
  }
  return {
    report: (step, what) =>
      step.transfers
        .filter((transfer) => transfer.what === what && isDue(step, transfer))
        .map((transfer) => lineOf(step, transfer)),
    rest: (step) =>
      step.transfers
        .filter((transfer) => reported.get(keyOf(step, transfer))?.updatedAt !== transfer.updatedAt)
        .filter((transfer) => isDue(step, transfer) || !isComplete(transfer))
        .map((transfer) => lineOf(step, transfer)),
  }
}
