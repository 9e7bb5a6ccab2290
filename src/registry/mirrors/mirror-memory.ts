import type { Descriptor, Job, OssbError } from '../../core/index.ts'
import type { Clock } from '../../io/index.ts'
import { HttpFailure } from '../http/http-failure.ts'
import type { Place } from './location.ts'
import type { RemoteRepository } from '../repository.ts'

/** A place with what it takes to read from it. */
export interface Source {
  readonly place: Place
  readonly repository: RemoteRepository
}

/** What is known of mirrors, by all who use them. */
export interface MirrorMemory {
  /** Why a mirror is not to be asked now. */
  failureOf(source: Source): unknown
  failed(source: Source, error: OssbError, job: Job): void
  /** Tells, once, where the content of a repository comes from, unless that is where one would expect. */
  served(source: Source, name: string, job: Job): void
  distrust(source: Source, content: Descriptor): void
  /** The sources that have not given wrong bytes for this content; all, when each of them has. */
  trusted(sources: readonly Source[], content: Descriptor): readonly Source[]
}

/** How long a mirror that is down is left alone. */
const DEAD_MS = 30_000

export function createMirrorMemory(clock: Clock): MirrorMemory {
  const dead = new Map<string, { readonly until: number; readonly error: OssbError }>()
  const said = new Set<string>()
  const liars = new Set<string>()
  const lie = ({ place }: Source, { digest }: Descriptor) => `${nameOf(place)} ${digest}`
  const once = (text: string) => !said.has(text) && said.add(text).has(text)
  return {
    failureOf({ place }) {
      const known = dead.get(place.registry)
      return known !== undefined && clock.now() < known.until ? known.error : undefined
    },
    failed({ place }, error, job) {
      if (isDown(error)) dead.set(place.registry, { until: clock.now() + DEAD_MS, error })
      // A mirror need not have everything.
      if (error.code === 'ERR_OSSB_NOT_FOUND') return
      const message = `${error.message}. Asking the next place.`
      if (once(message)) job.emit({ type: 'warning', rule: 'MirrorFailed', message })
    },
    served({ place }, name, job) {
      if (nameOf(place) === name || !once(`${nameOf(place)} ${name}`)) return
      const chunk = Buffer.from(`${name} comes from ${nameOf(place)}\n`)
      job.emit({ type: 'log', stream: 'stderr', chunk })
    },
    distrust(source, content) {
      liars.add(lie(source, content))
    },
    trusted(sources, content) {
      const honest = sources.filter((source) => !liars.has(lie(source, content)))
      return honest.length > 0 ? honest : sources
    },
  }
}

function nameOf({ registry, repository }: Place): string {
  return `${registry}/${repository}`
}

/** Trouble of the mirror itself, and not of what it was asked for. */
function isDown({ code, cause }: OssbError): boolean {
  if (code === 'ERR_OSSB_NETWORK') return true
  return cause instanceof HttpFailure && (cause.status >= 500 || cause.status === 429)
}
