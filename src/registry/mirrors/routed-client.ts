import type { Job, Reference } from '../../core/index.ts'
import { systemClock } from '../../io/index.ts'
import { createDirectClient, type DirectClient, type DirectOptions } from '../client.ts'
import { defaultKeychain } from '../auth/credentials/keychain.ts'
import type { Place, RegistryMap, Route, RouteRequest } from './location.ts'
import { createMirrorMemory, type Source } from './mirror-memory.ts'
import { createMirroredRepository } from './mirrors.ts'
import { canonicalRegistry } from '../http/origin.ts'
import type { RemoteRepository, RemoteRepositoryOptions } from '../repository.ts'
import { readRouteFiles, type RouteFileOptions } from './route-files.ts'
import { routeOf } from './routes.ts'

export interface RegistryOptions extends Omit<DirectOptions, 'attempts'>, RouteFileOptions {
  /** Mirrors of whole registries, which come before those of registries.conf. */
  readonly registryMaps?: readonly RegistryMap[]
  /** Do not ask a registry of `registryMaps` itself. */
  readonly skipDefaultRegistryFallback?: boolean
}

/** A repository by its name, with the tag or digest that is wanted where that is known. */
type Named = Pick<Reference, 'registry' | 'repository'> & Partial<Pick<Reference, 'tag' | 'digest'>>

/** All registries and their mirrors. Dispose of it to close its connections. */
export interface RegistryClient extends DirectClient {
  /** For reading, or with `options` for writing: then all that is asked is asked of the registry itself. */
  repository(reference: Named, options?: RemoteRepositoryOptions): RemoteRepository
  /** Warns of mirrors for registries from which nothing was wanted. */
  warnUnused(job: Job): void
}

/** How often a mirror is asked, where there is another place. */
const MIRROR_ATTEMPTS = 2

/**
 * Registries as the user means them: reading goes to mirrors first, everything to the place that registries.conf gives
 * for a name. A connection to a place trusts as much as was allowed for that place.
 */
export function createRegistryClient(options: RegistryOptions): RegistryClient {
  const { registryMaps: maps = [], skipDefaultRegistryFallback: mirrorsOnly = false } = options
  const clients = new Map<string, DirectClient>()
  const memory = createMirrorMemory(options.clock ?? systemClock)
  // One for all, so that a helper is asked once.
  const shared = { ...options, keychain: options.keychain ?? defaultKeychain(options) }
  const wanted = new Set<string>()
  let rules: ReturnType<typeof readRouteFiles> | undefined

  const clientFor = ({ registry, insecure }: Place, isHurried: boolean): DirectClient => {
    const key = `${insecure ? registry : ''} ${isHurried}`
    const known =
      clients.get(key) ??
      createDirectClient(directOptions(shared, insecure ? registry : undefined, isHurried))
    clients.set(key, known)
    return known
  }

  const routeFor = async (request: RouteRequest): Promise<Route> => {
    wanted.add(canonicalRegistry(request.registry))
    rules ??= readRouteFiles(options)
    return routeOf(request, { maps, mirrorsOnly, registries: await rules })
  }

  const repository = (reference: Named, repositoryOptions?: RemoteRepositoryOptions): RemoteRepository => {
    const sourceAt = (place: Place, isHurried: boolean): Source => ({
      place,
      repository: clientFor(place, isHurried).repository(place, repositoryOptions),
    })
    const open = async () => {
      const { read, write } = await routeFor(reference)
      const writer = sourceAt(write, false)
      if (repositoryOptions !== undefined) return { read: [writer] as const, write: writer }
      const [first, ...others] = read.map((place) =>
        place === write ? writer : sourceAt(place, place !== read.at(-1)),
      )
      return { read: [first ?? writer, ...others] as const, write: writer }
    }
    let opened: ReturnType<typeof open> | undefined
    const name = `${canonicalRegistry(reference.registry)}/${reference.repository}`
    return createMirroredRepository(name, () => (opened ??= open()), memory)
  }

  return {
    repository,
    async checkPush(reference, job) {
      const { write } = await routeFor(reference)
      await clientFor(write, false).checkPush(write, job)
    },
    async checkLogin(registry, job) {
      const { write } = await routeFor({ registry, repository: '' })
      const { insecure } = write
      await clientFor({ ...write, registry, insecure }, false).checkLogin(registry, job)
    },
    warnUnused(job) {
      for (const { registry, warnUnused } of maps) {
        if (warnUnused !== true || wanted.has(canonicalRegistry(registry))) continue
        const message = `No image of "${registry}" was asked for: its --registry-map was not used`
        job.emit({ type: 'warning', rule: 'UnusedRegistryMap', message })
      }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...clients.values()].map((client) => client[Symbol.asyncDispose]()))
    },
  }
}

function directOptions(
  options: RegistryOptions,
  insecure: string | undefined,
  isHurried: boolean,
): DirectOptions {
  return {
    ...options,
    insecureRegistries: [...options.insecureRegistries, ...(insecure === undefined ? [] : [insecure])],
    ...(isHurried ? { attempts: MIRROR_ATTEMPTS } : {}),
  }
}
