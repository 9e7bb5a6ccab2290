import type { TextStream } from '../host.ts'
import { elapsed, isComplete, type ProgressState, type Step } from './reducer.ts'
import type { ProgressRenderer } from './renderer.ts'
import { fitText, textWidth } from './text.ts'
import { duration, transferStatus } from './wording.ts'

const LOG_LINES = 6
const TRANSFER_LINES = 8
const REDRAW_MS = 100

export interface TtyView {
  readonly columns: number
  /** Lines there are room for; undefined is as many as it takes. */
  readonly rows?: number
  readonly color: boolean
  readonly now: number
}

/** Progress as a window at the end of the terminal that is drawn anew again and again, and stays at the end. */
export async function openTtyRenderer(
  stream: TextStream,
  { color }: { readonly color: boolean },
): Promise<ProgressRenderer> {
  const { createLogUpdate } = await import('log-update')
  const window = createLogUpdate(stream)
  const view = (now: number): TtyView => ({ columns: stream.columns ?? 80, color, now })
  return {
    tickInterval: REDRAW_MS,
    tick(state, now) {
      window(ttyLines(state, { ...view(now), rows: stream.rows ?? 24 }).join('\n'))
    },
    show({ event, state }) {
      if (event.type !== 'finished') return
      window.clear()
      window.done()
      stream.write(`${ttyLines(state, view(event.time)).join('\n')}\n`)
    },
  }
}

/** What the window shows of a state. */
export function ttyLines(state: ProgressState, view: TtyView): readonly string[] {
  const blocks = state.steps.map((step) => ({ step, lines: stepLines(step, view) }))
  const room = view.rows === undefined ? Number.POSITIVE_INFINITY : Math.max(1, view.rows - 2)
  return [header(state, view), ...fitBlocks(blocks, room)]
}

interface Block {
  readonly step: Step
  readonly lines: readonly string[]
}

/** Where the room is not enough, steps that are over go first, the oldest before others. */
function fitBlocks(blocks: readonly Block[], room: number): readonly string[] {
  let excess = blocks.reduce((sum, { lines }) => sum + lines.length, 0) - room
  const kept = blocks.filter(({ step, lines }) => {
    const goes = excess > 0 && step.status !== 'running' && step.status !== 'failed'
    if (goes) excess -= lines.length
    return !goes
  })
  const lines = kept.flatMap((block) => block.lines)
  return excess > 0 ? lines.slice(-room) : lines
}

function header(state: ProgressState, view: TtyView): string {
  const over = state.steps.filter(({ status }) => status !== 'running').length
  const time = duration((state.finishedAt ?? view.now) - state.startedAt)
  const outcome = { done: ' FINISHED', failed: ' ERROR', running: '' }[state.outcome ?? 'running']
  return `[+] Building ${time} (${over}/${state.steps.length})${outcome}`
}

function stepLines(step: Step, view: TtyView): readonly string[] {
  const word = { running: '', done: '', cached: 'CACHED ', failed: 'ERROR ', canceled: 'CANCELED ' }[
    step.status
  ]
  const title = line(` => ${word}${step.name}`, duration(elapsed(step, view.now)), view)
  return [
    paint(title, COLORS[step.status], view),
    ...(step.status === 'running' ? [...transferLines(step, view), ...logLines(step, view)] : []),
  ]
}

function transferLines(step: Step, view: TtyView): readonly string[] {
  const open = step.transfers.filter((transfer) => !isComplete(transfer))
  const shown = open.slice(0, TRANSFER_LINES)
  const hidden = open.length - shown.length
  return [
    ...shown.map((transfer) => line(` => => ${transfer.what}`, transferStatus(transfer), view)),
    ...(hidden === 0 ? [] : [` => => and ${hidden} more`]),
  ]
}

function logLines(step: Step, view: TtyView): readonly string[] {
  return step.log
    .slice(-LOG_LINES)
    .map(({ text }) => paint(fitText(` => => # ${text}`, view.columns - 1), DIM, view))
}

/** One line with `right` at its right end. */
function line(left: string, right: string, { columns }: TtyView): string {
  const room = Math.max(10, columns - 1 - right.length - 1)
  const fitting = fitText(left, room)
  return `${fitting}${' '.repeat(room - textWidth(fitting))} ${right}`
}

const DIM = 2
/** SGR parameters (ECMA-48): blue, red, yellow. */
const COLORS: Readonly<Record<Step['status'], number | undefined>> = {
  running: undefined,
  done: 34,
  cached: 34,
  failed: 31,
  canceled: 33,
}

function paint(text: string, parameter: number | undefined, { color }: TtyView): string {
  return color && parameter !== undefined ? `\u001b[${parameter}m${text}\u001b[0m` : text
}
