import {
  addToTally,
  type Cache,
  type CacheEntry,
  createImportedCache,
  createKanikoSteps,
  createLostLayers,
  createStepCache,
  exportCache,
  exportToKaniko,
  firstHit,
  type ImportServices,
  type LostLayers,
  openKanikoCache,
  type StepCounts,
  withInlineCache,
} from './cache/index.ts'
import {
  type Digest,
  digestOf,
  formatReference,
  type Job,
  jobOf,
  parseReference,
  type Reference,
} from './core/index.ts'
import type { Foundation } from './foundation.ts'
import type { Vertex } from './graph/index.ts'
import { systemClock } from './io/index.ts'
import type { LayerWriterOptions } from './layer/index.ts'
import type { Image, Layer, Repository } from './oci/index.ts'
import type { BuildOptions, CacheSourceSpec, CacheTargetSpec } from './options/index.ts'
import { createExplainer, stateLayer, type StepObserver } from './solver/index.ts'
import type { Snapshotter } from './snapshot/index.ts'
import { createOciLayout, storePaths } from './store/index.ts'

/** The caches of a build. */
export interface Caches {
  /** The cache directory, then those of `cacheFrom`. */
  readonly cache: Cache
  readonly lost: LostLayers
  readonly observer: StepObserver
  /** Adds what was found to the counts of the cache directory. */
  count(job: Job): Promise<void>
  /** Whether somebody wants to know results. */
  readonly isShared: boolean
  /** Of all results those that somebody wants: all, or what leads to nothing but layers of the images. */
  wanted(entries: readonly CacheEntry[], layers: readonly Layer[]): readonly CacheEntry[]
  /** The image as it is to be written: with its cache in it, where that was asked for. */
  finish(image: Image, entries: readonly CacheEntry[]): Image
  /** Brings results to `cacheTo`. @throws OssbError where a target does not let failures pass */
  write(entries: readonly CacheEntry[], images: readonly Image[], job: Job): Promise<void>
}

type Options = Pick<BuildOptions, 'cacheFrom' | 'cacheTo' | 'explain' | 'noCache'>
interface Parts extends Pick<Foundation, 'paths' | 'store' | 'session' | 'registry' | 'images'> {
  readonly snapshotter: Snapshotter
  /** How the layers of this build are written. */
  readonly layers: LayerWriterOptions
}

export function openCaches(
  { cacheFrom = [], cacheTo = [], explain, noCache }: Options,
  parts: Parts,
  job: Job,
): Caches {
  const { paths, store, images } = parts
  const lost = createLostLayers()
  const services: ImportServices = { store, lost, fetch: images.fetchFrom, job }
  const cache = firstHit(
    createStepCache({
      paths,
      store,
      fetchRemote: images.fetchRemote,
      lost,
      fromState: (about, below) => {
        const layer = stateLayer(about, below, parts)
        return parts.snapshotter.keeps?.([...below, layer]) === true ? layer : undefined
      },
    }),
    cacheFrom.map((spec) => importedFrom(spec, parts, services)),
  )
  const explainer = explain === undefined ? undefined : createExplainer(noCache ? undefined : cache, explain)
  const [hits, misses] = [new Map<Digest, Vertex>(), new Map<Digest, Vertex>()]
  return {
    cache,
    lost,
    observer: {
      hit(vertex, reason, from) {
        hits.set(vertex.digest, vertex)
        explainer?.hit(vertex, reason, from)
      },
      async missed(vertex, about, asker) {
        misses.set(vertex.digest, vertex)
        await explainer?.missed(vertex, about, asker)
      },
    },
    count: (counter) =>
      addToTally({ hits: countsOf(hits), misses: countsOf(misses) }, paths, parts.session, counter),
    isShared: cacheTo.length > 0,
    wanted: (entries, layers) => (cacheTo.some(wantsAll) ? entries : leadingTo(entries, layers)),
    finish: (image, entries) =>
      cacheTo.some(({ type }) => type === 'inline') ? withInlineCache(image, entries) : image,
    write: async (entries, built, writer) => {
      for (const target of cacheTo) await writeTo(target, { entries, images: built }, parts, writer)
    },
  }
}

function countsOf(steps: ReadonlyMap<Digest, Vertex>): StepCounts {
  const kinds = [...steps.values()].map(({ op }) => op.kind)
  const exec = kinds.filter((kind) => kind === 'exec').length
  return { exec, file: kinds.length - exec }
}

function importedFrom(spec: CacheSourceSpec, parts: Parts, services: ImportServices): Cache {
  switch (spec.type) {
    case 'registry': {
      const reference = parseReference(spec.ref)
      const name = reference.digest ?? reference.tag ?? 'latest'
      const title = formatReference(reference)
      const repository = parts.registry.repository(reference)
      return createImportedCache({ repository, name, title, origin: originOf(reference) }, services)
    }
    case 'local': {
      const source = { repository: createOciLayout(spec.src), name: spec.name, title: `"${spec.src}"` }
      return createImportedCache(source, services)
    }
    case 'kaniko': {
      const reference = parseReference(spec.repository)
      const title = originOf(reference)
      const repository = parts.registry.repository(reference)
      const source = { repository, title, origin: title, ttlMs: spec.ttlMs, now: Date.now }
      return createKanikoSteps(openKanikoCache(source, services), title)
    }
    default:
      return spec satisfies never
  }
}

interface Results {
  readonly entries: readonly CacheEntry[]
  readonly images: readonly Image[]
}

async function writeTo(target: CacheTargetSpec, results: Results, parts: Parts, job: Job): Promise<void> {
  if (target.type === 'inline') return
  const title = titleOf(target)
  const name = `exporting cache to ${title}`
  const own = jobOf(job, digestOf(name))
  own.emit({ type: 'started', name })
  try {
    await send(target, results, parts, own)
    own.emit({ type: 'completed', name })
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    own.emit({ type: 'completed', name, error: reason })
    if (job.signal.aborted || !target.ignoreError) throw error
    const message = `The cache ${title} was not written: ${reason}. The build is not affected`
    job.emit({ type: 'warning', rule: 'CacheNotWritten', message })
  }
}

type OtherTarget = Exclude<CacheTargetSpec, { readonly type: 'inline' }>

function titleOf(target: OtherTarget): string {
  switch (target.type) {
    case 'registry':
      return formatReference(parseReference(target.ref))
    case 'local':
      return `"${target.dest}"`
    case 'kaniko':
      return originOf(parseReference(target.repository))
    default:
      return target satisfies never
  }
}

async function send(target: OtherTarget, results: Results, parts: Parts, job: Job): Promise<void> {
  const { registry, session } = parts
  const title = titleOf(target)
  if (target.type === 'kaniko') {
    const repository = writable(parseReference(target.repository), results.entries, registry)
    return await exportToKaniko(
      results.entries,
      {
        repository,
        ttlMs: target.ttlMs,
        now: Date.now,
        ...(target.steps === undefined ? {} : { steps: target.steps }),
      },
      job,
    )
  }
  const { entries: all, images } = results
  const entries = wantsAll(target)
    ? all
    : leadingTo(
        all,
        images.flatMap(({ layers }) => layers),
      )
  if (target.type === 'registry') {
    const reference = parseReference(target.ref)
    const repository = writable(reference, entries, registry)
    const tag = reference.tag ?? 'latest'
    return await exportCache(entries, { repository, tag, title, form: target.form }, systemClock, job)
  }
  const repository = createOciLayout(target.dest)
  const lock = `${storePaths(target.dest).index}.lock`
  const exclusive = async <T>(action: () => Promise<T>, waiter: Job): Promise<T> => {
    await using _lock = await session.lock(lock, 'exclusive', { wait: true }, waiter)
    return await action()
  }
  await exportCache(
    entries,
    { repository, tag: target.tag, title, form: target.form, exclusive },
    systemClock,
    job,
  )
}

function wantsAll(target: CacheTargetSpec): boolean {
  return target.type === 'kaniko' || (target.type !== 'inline' && target.mode === 'max')
}

/** Results that are of some layers alone. */
function leadingTo(entries: readonly CacheEntry[], layers: readonly Layer[]): readonly CacheEntry[] {
  const own = new Set(layers.map(({ diffId }) => diffId))
  return entries.filter((entry) => entry.layers.every(({ diffId }) => own.has(diffId)))
}

function writable(
  reference: Reference,
  entries: readonly CacheEntry[],
  registry: Parts['registry'],
): Repository {
  const origins = new Map(
    entries.flatMap(({ layers }) => layers.map(({ descriptor, origin }) => [descriptor.digest, origin])),
  )
  return registry.repository(reference, { mountFrom: ({ digest }) => origins.get(digest) })
}

function originOf({ registry, repository }: Reference): string {
  return `${registry}/${repository}`
}
