import { existsSync } from 'node:fs'
import { join } from 'node:path'
import {
  formatReference,
  type ImageLocation,
  isDigest,
  type Job,
  OssbError,
  parseReference,
} from '../core/index.ts'
import { createHolding } from '../io/index.ts'
import type { FileSession } from '../native/index.ts'
import type { ImageSource, ReferrerSource } from '../oci/index.ts'
import type { RegistryAccess } from '../options/index.ts'
import type { RegistryClient } from '../registry/index.ts'
import { createIndexLock, createOciLayout, type IndexLock, storePaths } from '../store/index.ts'

/** What places of images are opened with. */
export interface PlaceOptions extends RegistryAccess {
  readonly cacheDir: string
  readonly chunkBytes?: number
}

/** An image at its place: `name` is what the source calls it. */
export interface OpenSource extends AsyncDisposable {
  readonly source: ImageSource & ReferrerSource
  readonly name: string
  /** "registry/repository", for mounts. */
  readonly origin?: string
}

/** Registries and the cache are opened once for a command, and only when a place needs them. */
export interface Places extends AsyncDisposable {
  registry(): Promise<RegistryClient>
  /** For locks on what is written to. */
  session(): Promise<FileSession>
  /** The cache directory, safe from a prune for as long as this is open. */
  cache(): Promise<CachePlace>
}

export interface CachePlace {
  readonly root: string
  /** Held while the names in the cache change. */
  readonly lock: IndexLock
}

/** Code for what a command does not touch is not loaded: that of registries takes longer than most commands. */
export function createPlaces(options: PlaceOptions, job: Job): Places {
  const holding = createHolding()
  let registry: Promise<RegistryClient> | undefined
  let session: Promise<FileSession> | undefined
  let cache: Promise<CachePlace> | undefined
  const openRegistry = async () => {
    const { createRegistryClient } = await import('../registry/index.ts')
    return holding.hold(createRegistryClient(options))
  }
  const openSession = async () => {
    const { loadHelper, openFileSession } = await import('../native/index.ts')
    return holding.hold(openFileSession(loadHelper()))
  }
  const openedSession = () => (session ??= openSession())
  const openCache = async (): Promise<CachePlace> => {
    const paths = storePaths(options.cacheDir)
    const files = await openedSession()
    const lock = await files.lock(paths.lock, 'shared', { wait: true }, job)
    if (lock !== undefined) holding.hold(lock)
    return { root: paths.root, lock: createIndexLock(files, `${paths.index}.lock`) }
  }
  return {
    registry: () => (registry ??= openRegistry()),
    session: openedSession,
    cache: () => (cache ??= openCache()),
    async [Symbol.asyncDispose]() {
      await Promise.allSettled([registry, session, cache])
      await holding[Symbol.asyncDispose]()
    },
  }
}

const NOTHING_TO_RELEASE = { [Symbol.asyncDispose]: () => Promise.resolve() }

/** @throws OssbError ERR_OSSB_NOT_FOUND for a file, directory or cache that is not there */
export async function openSource(
  location: ImageLocation,
  places: Places,
  options: PlaceOptions,
  job: Job,
): Promise<OpenSource> {
  if (location.type === 'registry') {
    const { reference } = location
    const client = await places.registry()
    return {
      ...NOTHING_TO_RELEASE,
      source: client.repository(reference),
      name: reference.digest ?? reference.tag ?? 'latest',
      origin: `${reference.registry}/${reference.repository}`,
    }
  }
  if (location.type === 'cache') {
    if (!existsSync(storePaths(options.cacheDir).index)) throw notThere(location.text, options.cacheDir)
    const { root } = await places.cache()
    return { ...NOTHING_TO_RELEASE, source: createOciLayout(root), name: nameInCache(location.name) }
  }
  if (location.type === 'oci') {
    if (!existsSync(join(location.path, 'index.json'))) throw noLayout(location.path)
    return { ...NOTHING_TO_RELEASE, source: createOciLayout(location.path), name: location.name }
  }
  const { openArchive } = await import('./archives.ts')
  const archive = await openArchive(location.type, location.path, job)
  return {
    source: archive,
    name: location.name,
    [Symbol.asyncDispose]: async () => archive[Symbol.dispose](),
  }
}

/** The cache keeps images by their full names. */
export function nameInCache(name: string): string {
  if (isDigest(name)) return name
  const reference = parseReference(name)
  return reference.digest ?? formatReference(reference)
}

function notThere(text: string, cacheDir: string): OssbError {
  return new OssbError(
    'ERR_OSSB_NOT_FOUND',
    `Cannot find "${text}": the cache "${cacheDir}" holds no image`,
    {
      hint: 'Builds keep their images there; "ossb cache info" lists them.',
    },
  )
}

function noLayout(path: string): OssbError {
  return existsSync(path)
    ? new OssbError('ERR_OSSB_NOT_FOUND', `Cannot read "${path}" as an OCI layout: it has no index.json`, {
        hint: 'An archive is oci-archive:FILE or docker-archive:FILE.',
      })
    : new OssbError('ERR_OSSB_NOT_FOUND', `Cannot find the OCI layout "${path}": there is no such directory`)
}
