import { resolve } from 'node:path'
import type { BuildOptions, CacheSourceSpec, CacheTargetSpec } from '../../index.ts'
import type { Destination } from './destination.ts'
import type { ExecutorValues } from './values.ts'

interface CacheFlags {
  readonly values: ExecutorValues
  readonly destinations: readonly Destination[]
  /** Where relative paths begin. */
  readonly directory: string
}

type CacheOptions = Pick<BuildOptions, 'noCache' | 'cacheFrom' | 'cacheTo' | 'baseImages'>

/** An OCI layout in the place of a repository. */
const LAYOUT = 'oci:'

/** `--cache` and what belongs to it: without it every step is carried out, and no base image is taken from `--cache-dir`. */
export function cacheOptions({ values, destinations, directory }: CacheFlags): CacheOptions {
  if (!values.on('cache')) return { noCache: true }
  const ttlMs = values.duration('cache-ttl')
  const steps = [
    ...(values.on('cache-run-layers') ? ['exec' as const] : []),
    ...(values.on('cache-copy-layers') ? ['file' as const] : []),
  ]
  const repository = repositoryOf(values, destinations)
  const places = repository === undefined ? undefined : placesOf(repository, { ttlMs, steps, directory })
  return {
    noCache: false,
    baseImages: { directory: resolve(directory, values.text('cache-dir')), maxAgeMs: ttlMs },
    ...(places === undefined || steps.length === 0 ? {} : { cacheFrom: [places.from] }),
    ...(places === undefined || steps.length === 0 || values.on('no-push-cache')
      ? {}
      : { cacheTo: [places.to] }),
  }
}

/** The one that is named, else "cache" below the repository of the first destination. */
function repositoryOf(values: ExecutorValues, destinations: readonly Destination[]): string | undefined {
  const named = values.text('cache-repo')
  if (named !== '') return named
  const [first] = destinations
  return first === undefined ? undefined : `${first.repository}/cache`
}

interface PlaceSettings {
  readonly ttlMs: number
  readonly steps: readonly ('exec' | 'file')[]
  readonly directory: string
}

function placesOf(
  repository: string,
  { ttlMs, steps, directory }: PlaceSettings,
): { readonly from: CacheSourceSpec; readonly to: CacheTargetSpec } {
  if (!repository.startsWith(LAYOUT))
    return {
      from: { type: 'kaniko', repository, ttlMs },
      to: { type: 'kaniko', repository, ttlMs, steps, ignoreError: true },
    }
  const path = resolve(directory, repository.slice(LAYOUT.length))
  return {
    from: { type: 'local', src: path, name: 'latest' },
    to: { type: 'local', dest: path, tag: 'latest', mode: 'max', form: 'manifest', ignoreError: true },
  }
}
