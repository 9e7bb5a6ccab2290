import { canonicalRegistry } from '../http/origin.ts'

/** A place that holds what another registry has: `host[:port]`, and perhaps a path before the repository. */
export interface RegistryLocation {
  readonly host: string
  /** Path in front of the repository, without slashes at its ends. */
  readonly prefix?: string
  /** May be spoken to over plain HTTP, or over TLS without verification. */
  readonly insecure?: boolean
}

/** Other places for all that a registry holds; they are asked in order, before the registry. For reading only. */
export interface RegistryMap {
  /** As references name it: `docker.io`, `r.io:5000`. */
  readonly registry: string
  readonly mirrors: readonly RegistryLocation[]
  /** Say so when no image of the registry was asked for: the name may be misspelt. */
  readonly warnUnused?: boolean
}

/** The part of a reference by which its place is found. */
export interface RouteRequest {
  readonly registry: string
  readonly repository: string
  readonly tag?: string
  readonly digest?: string
}

/** A repository of a registry where content can be had. */
export interface Place {
  readonly registry: string
  readonly repository: string
  readonly insecure: boolean
  /** What a mirror is asked for: tags, content by digest, or both. */
  readonly serves: 'all' | 'tags' | 'digests'
  readonly isMirror: boolean
}

/** Where the content of a repository is read, in order, and where it is written. */
export interface Route {
  readonly read: readonly [Place, ...Place[]]
  readonly write: Place
}

/** The place of a repository at a location that holds all of a registry. */
export function placeAt({ host, prefix, insecure = false }: RegistryLocation, repository: string): Place {
  return {
    registry: canonicalRegistry(host),
    repository: prefix === undefined ? repository : `${prefix}/${repository}`,
    insecure,
    serves: 'all',
    isMirror: true,
  }
}
