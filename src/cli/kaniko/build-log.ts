import type { BuildEvent } from '../../index.ts'
import type { Host } from '../host.ts'
import { decodeLine, NO_BYTES, splitLines } from '../progress/log-lines.ts'
import { sanitizeText } from '../progress/text.ts'
import { warningText } from '../progress/wording.ts'
import type { Log } from './log.ts'

/** The events of a build as lines of the log, in the words that kaniko has for them. */
export interface BuildLog {
  readonly emit: (event: BuildEvent) => void
  /** Writes what is left of lines that were never ended. */
  end(): void
}

/** What a RUN says goes to our own standard output and standard error as it comes, in whole lines. */
export function createBuildLog(log: Log, host: Pick<Host, 'stdout' | 'stderr'>): BuildLog {
  const rests = new Map<string, Uint8Array>()
  const told = new Set<string>()
  const say = (name: string) => {
    if (told.has(name)) return
    told.add(name)
    log('info', name)
  }
  const write = (stream: 'stdout' | 'stderr', lines: readonly string[]) => {
    for (const line of lines) host[stream].write(`${line}\n`)
  }
  return {
    emit(event) {
      switch (event.type) {
        case 'started':
          return say(startOf(event.name))
        case 'cached':
          return say(`Using caching version of cmd: ${instructionOf(event.name)}`)
        case 'completed':
          return log('debug', `Done: ${instructionOf(event.name)}`)
        case 'warning':
          return log('warn', sanitizeText(warningText(event)))
        case 'progress':
          return log('debug', `${sanitizeText(event.what)}: ${event.current}${ofTotal(event.total)}`)
        case 'log': {
          const key = `${event.stream} ${event.vertex ?? ''}`
          const { lines, rest } = splitLines(rests.get(key) ?? NO_BYTES, event.chunk)
          rests.set(key, rest)
          return write(event.stream, lines)
        }
        case 'phase':
          return
        default:
          return event satisfies never
      }
    },
    end() {
      for (const [key, rest] of rests)
        if (rest.length > 0) write(key.startsWith('stdout') ? 'stdout' : 'stderr', [decodeLine(rest)])
      rests.clear()
    },
  }
}

function ofTotal(total: number | undefined): string {
  return total === undefined ? '' : `/${total}`
}

/** `[stage 2/4] RUN make` without its place. */
export function instructionOf(name: string): string {
  return sanitizeText(name.replace(/\s*\n\s*/g, ' ').replace(/^\[[^\]]*\]\s*/, ''))
}

const CACHE = 'exporting cache to '
const METADATA = 'load metadata for '

function startOf(name: string): string {
  const text = instructionOf(name)
  if (text.startsWith(METADATA)) return `Retrieving image manifest ${text.slice(METADATA.length)}`
  if (text.startsWith(CACHE)) return `Pushing layers to the cache ${text.slice(CACHE.length)} now`
  if (text.startsWith('FROM ')) return `Unpacking rootfs of ${text.slice('FROM '.length)}`
  return text
}
