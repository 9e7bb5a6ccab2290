import { Readable } from 'node:stream'
import {
  type Descriptor,
  isDigest,
  isIndexType,
  isManifestType,
  type Job,
  OssbError,
} from '../../core/index.ts'
import { withoutStart } from '../blobs.ts'
import type { MirrorMemory, Source } from './mirror-memory.ts'
import type { RemoteRepository } from '../repository.ts'

export interface RoutedSources {
  /** Where content is read from, in order. */
  readonly read: readonly [Source, ...Source[]]
  readonly write: Source
}

/** How a reader is told that content was damaged, and that there is another place to ask for it. */
export class DamagedByMirror extends OssbError {}

/**
 * A repository whose content is read from the first place that has it: mirrors, then the registry itself. What is
 * written is the registry's own affair.
 * What fails in a mirror is asked of the next place; the error of the last one tells of all.
 */
export function createMirroredRepository(
  name: string,
  sources: () => Promise<RoutedSources>,
  memory: MirrorMemory,
): RemoteRepository {
  const write = async () => (await sources()).write.repository
  return {
    put: async (expected, open, job) => (await write()).put(expected, open, job),
    stream: async (blob, job) => (await write()).stream(blob, job),
    tag: async (manifest, tag, job) => (await write()).tag(manifest, tag, job),
    remove: async (digest, job) => (await write()).remove(digest, job),

    async has(content, job) {
      const { read } = await sources()
      const [only] = read
      if (read.length === 1) return only.repository.has(content, job)
      const ask = async ({ repository }: Source) => {
        if (!(await repository.has(content, job))) throw new OssbError('ERR_OSSB_NOT_FOUND', 'not there')
      }
      const search = { action: `look for ${content.digest} of "${name}"`, name, memory }
      try {
        await firstHit(read, ask, search, job)
        return true
      } catch (error) {
        if (error instanceof OssbError && error.code === 'ERR_OSSB_NOT_FOUND') return false
        throw error
      }
    },

    // That a mirror knows of none says nothing.
    async referrers(subject, job, options) {
      const { read } = await sources()
      return (read.at(-1) ?? read[0]).repository.referrers(subject, job, options)
    },

    async resolve(tagOrDigest, job) {
      const { read } = await sources()
      const unfit = isDigest(tagOrDigest) ? 'tags' : 'digests'
      const fit = read.filter(({ place }) => place.serves !== unfit)
      const ask = ({ repository }: Source) => repository.resolve(tagOrDigest, job)
      const what = { action: `find "${tagOrDigest}" for "${name}"`, name }
      return (await firstHit(fit, ask, { ...what, memory }, job)).value
    },

    async open(content, job) {
      const { read } = await sources()
      const [only] = read
      if (read.length === 1) return only.repository.open(content, job)
      const search = { action: `pull ${content.digest} of "${name}"`, name, memory }
      const open = ({ repository }: Source) => repository.open(content, job)
      const trusted = memory.trusted(read, content)
      const first = await firstHit(trusted, open, search, job)
      // A document is checked when it is opened.
      if (isIndexType(content.mediaType) || isManifestType(content.mediaType)) return first.value
      const next = (after: Source) => firstHit(trusted.slice(trusted.indexOf(after) + 1), open, search, job)
      const stream = Readable.from(continued({ first, next, content, last: trusted.at(-1), memory }, job))
      stream.once('close', () => first.value.destroy())
      return stream
    },
  }
}

interface Hit<T> {
  readonly source: Source
  readonly value: T
}

interface Search {
  readonly action: string
  readonly name: string
  readonly memory: MirrorMemory
}

/** Asks one place after the other. */
async function firstHit<T>(
  sources: readonly Source[],
  ask: (source: Source) => Promise<T>,
  { action, name, memory }: Search,
  job: Job,
): Promise<Hit<T>> {
  const failures: unknown[] = []
  for (const source of sources) {
    const isLast = source === sources.at(-1)
    const known = isLast ? undefined : memory.failureOf(source)
    if (known !== undefined) {
      failures.push(known)
      continue
    }
    try {
      const value = await ask(source)
      memory.served(source, name, job)
      return { source, value }
    } catch (error) {
      job.signal.throwIfAborted()
      if (sources.length === 1 || !mayBeElsewhere(error)) throw error
      failures.push(error)
      if (!isLast) memory.failed(source, error, job)
    }
  }
  throw ofAll(action, failures)
}

/** Mistakes of the user are the same everywhere. */
function mayBeElsewhere(error: unknown): error is OssbError {
  return error instanceof OssbError && error.code !== 'ERR_OSSB_USAGE' && error.code !== 'ERR_OSSB_INTERNAL'
}

function ofAll(action: string, failures: readonly unknown[]): OssbError {
  const last = failures.at(-1)
  const lines = failures.map(
    (failure) => `\n  - ${failure instanceof Error ? failure.message : String(failure)}`,
  )
  const code = last instanceof OssbError ? last.code : 'ERR_OSSB_REGISTRY'
  const hint = last instanceof OssbError ? last.hint : undefined
  return new OssbError(
    code,
    `Cannot ${action}: none of ${failures.length} places gave it:${lines.join('')}`,
    {
      cause: last,
      ...(hint === undefined ? {} : { hint }),
    },
  )
}

interface Continuation {
  readonly first: Hit<Readable>
  readonly next: (after: Source) => Promise<Hit<Readable>>
  readonly content: Descriptor
  /** The place after which there is none. */
  readonly last: Source | undefined
  readonly memory: MirrorMemory
}

/** A blob: where a place breaks off for good, the next one goes on. */
async function* continued(
  { first, next, content, last, memory }: Continuation,
  job: Job,
): AsyncGenerator<Uint8Array, void, undefined> {
  let received = 0
  for (let hit = first; ; hit = await next(hit.source)) {
    try {
      for await (const chunk of withoutStart(hit.value, received)) {
        received += chunk.length
        yield chunk
      }
      return
    } catch (error) {
      job.signal.throwIfAborted()
      if (hit.source === last || !mayBeElsewhere(error)) throw error
      if (error.code !== 'ERR_OSSB_INTEGRITY') {
        memory.failed(hit.source, error, job)
        continue
      }
      // The bytes are with the reader, who has to begin anew.
      memory.distrust(hit.source, content)
      throw new DamagedByMirror(error.code, error.message, {
        cause: error,
        ...(error.hint === undefined ? {} : { hint: error.hint }),
      })
    }
  }
}
