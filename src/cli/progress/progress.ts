import type { BuildEvent } from '../../index.ts'
import type { TextStream } from '../host.ts'
import { createJsonRenderer } from './json.ts'
import { decodeLine, NO_BYTES, splitLines } from './log-lines.ts'
import { createPlainRenderer } from './plain.ts'
import type { ProgressEvent } from './progress-event.ts'
import { initialState, type ProgressState, reduce, touchedStep } from './reducer.ts'
import type { ProgressRenderer } from './renderer.ts'
import { sanitizeText } from './text.ts'
import { openTtyRenderer } from './tty.ts'

export type ProgressMode = 'tty' | 'plain' | 'json' | 'quiet'

export interface ProgressOptions {
  readonly mode: ProgressMode | 'auto'
  readonly stream: TextStream
  readonly now: () => number
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** The progress of one build: takes its events, shows them, and knows in the end how it went. */
export interface Progress {
  readonly mode: ProgressMode
  readonly emit: (event: BuildEvent) => void
  /** Shows the last state and answers it; events that come later are dropped. */
  end(outcome: 'done' | 'failed'): ProgressState
}

export async function openProgress(options: ProgressOptions): Promise<Progress> {
  const { now } = options
  const mode = effectiveMode(options)
  const renderer = await openRenderer(mode, options)
  const logs = new Map<string, Uint8Array>()
  let state = initialState(now())
  let isOpen = true
  const show = (event: ProgressEvent) => {
    const before = state
    state = reduce(before, event)
    renderer.show({ event, state, step: touchedStep(before, state, event) })
  }
  const timer =
    renderer.tickInterval === undefined
      ? undefined
      : setInterval(() => renderer.tick?.(state, now()), renderer.tickInterval).unref()
  return {
    mode,
    emit(event) {
      if (!isOpen) return
      for (const timed of toProgressEvents(event, { time: now(), logs })) show(timed)
    },
    end(outcome) {
      if (!isOpen) return state
      for (const rest of flushLogs(logs, { time: now() })) show(rest)
      show({ type: 'finished', outcome, time: now() })
      isOpen = false
      clearInterval(timer)
      return state
    },
  }
}

function effectiveMode({ mode, stream, environment }: ProgressOptions): ProgressMode {
  if (mode !== 'auto') return mode
  return stream.isTTY === true && environment['TERM'] !== 'dumb' ? 'tty' : 'plain'
}

async function openRenderer(mode: ProgressMode, options: ProgressOptions): Promise<ProgressRenderer> {
  const { stream, environment } = options
  const writeLine = (line: string) => void stream.write(`${line}\n`)
  if (mode === 'tty') return await openTtyRenderer(stream, { color: (environment['NO_COLOR'] ?? '') === '' })
  if (mode === 'plain') return createPlainRenderer(writeLine)
  return mode === 'json' ? createJsonRenderer(writeLine) : { show: () => undefined }
}

type Logs = Map<string, Uint8Array>

/** The event with its time; chunks of output become whole lines, which may be none yet or some left over. */
function toProgressEvents(
  event: BuildEvent,
  { time, logs }: { readonly time: number; readonly logs: Logs },
): readonly ProgressEvent[] {
  if (event.type === 'phase') return []
  if (event.type !== 'log') {
    const ends = event.type === 'completed' || event.type === 'cached'
    return [...(ends ? flushLogs(logs, { time, vertex: event.vertex }) : []), { ...oneLine(event), time }]
  }
  const key = `${event.stream} ${event.vertex ?? ''}`
  const { lines, rest } = splitLines(logs.get(key) ?? NO_BYTES, event.chunk)
  logs.set(key, rest)
  if (lines.length === 0) return []
  const vertex = event.vertex === undefined ? {} : { vertex: event.vertex }
  return [{ type: 'lines', time, stream: event.stream, lines, ...vertex }]
}

/** Last lines that were never ended: those of one step, or all. */
function flushLogs(
  logs: Logs,
  options: { readonly time: number; readonly vertex?: BuildEvent['vertex'] },
): readonly ProgressEvent[] {
  const wanted = [...logs].filter(
    ([key, rest]) =>
      rest.length > 0 && (!('vertex' in options) || key.split(' ')[1] === (options.vertex ?? '')),
  )
  return wanted.map(([key, rest]): ProgressEvent => {
    logs.delete(key)
    const [stream, vertex] = key.split(' ') as ['stdout' | 'stderr', BuildEvent['vertex'] | '']
    return {
      type: 'lines',
      time: options.time,
      stream,
      lines: [decodeLine(rest)],
      ...(vertex === '' ? {} : { vertex }),
    }
  })
}

type TextEvent = Exclude<BuildEvent, { readonly type: 'log' | 'phase' }>

/** Names come from Dockerfiles and messages from registries: each is shown as one harmless line. */
function oneLine(event: TextEvent): TextEvent {
  const clean = (text: string) => sanitizeText(text.replace(/\s*\n\s*/g, ' '))
  if (event.type === 'progress') return { ...event, what: clean(event.what) }
  if (event.type === 'warning') return { ...event, message: clean(event.message) }
  const named = { ...event, name: clean(event.name) }
  return named.type === 'completed' && named.error !== undefined
    ? { ...named, error: clean(named.error) }
    : named
}
