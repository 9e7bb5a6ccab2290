import { OssbError } from '../../core/index.ts'
import { type Place, placeAt, type RegistryMap, type Route, type RouteRequest } from './location.ts'
import { canonicalRegistry } from '../http/origin.ts'
import type { RegistryRule } from './registries-conf.ts'

export interface RouteRules {
  /** Mirrors of whole registries, which come before those of `registries`. */
  readonly maps: readonly RegistryMap[]
  /** Do not ask a registry for what its mirrors are to hold. */
  readonly mirrorsOnly: boolean
  readonly registries: readonly RegistryRule[]
}

/**
 * Where a repository is to be had: its mirrors in order, then the place that it names.
 * @throws OssbError when the registry is blocked
 */
export function routeOf(request: RouteRequest, rules: RouteRules): Route {
  const registry = canonicalRegistry(request.registry)
  const name = `${registry}/${request.repository}`
  const found = longestMatch({ ...request, registry }, rules.registries)
  if (found?.rule.blocked === true)
    throw new OssbError('ERR_OSSB_REGISTRY', `Cannot use "${name}": "${found.rule.file}" blocks it`, {
      hint: `It says "blocked = true" for "${found.rule.prefix}".`,
    })
  const write = found === undefined ? own(registry, request.repository) : rewritten(found, name)
  const mapped = rules.maps
    .filter((map) => canonicalRegistry(map.registry) === registry)
    .flatMap(({ mirrors }) => mirrors.map((mirror) => placeAt(mirror, request.repository)))
  const mirrors = [...mapped, ...(found === undefined ? [] : mirrorsOf(found, name))].filter(({ serves }) =>
    isAskedFor(serves, request),
  )
  const [first, ...others] = rules.mirrorsOnly && mapped.length > 0 ? mirrors : [...mirrors, write]
  return { read: [first ?? write, ...others], write }
}

/** The registry by its own name. */
function own(registry: string, repository: string): Place {
  return { registry, repository, insecure: false, serves: 'all', isMirror: false }
}

/** A reference by digest has no use for mirrors of tags. One by tag is content by digest once the tag is resolved. */
function isAskedFor(serves: Place['serves'], { digest }: RouteRequest): boolean {
  return digest === undefined || serves !== 'tags'
}

interface Match {
  readonly rule: RegistryRule
  /** How much of the name a location takes the place of. */
  readonly length: number
}

function longestMatch(request: RouteRequest, rules: readonly RegistryRule[]): Match | undefined {
  const name = `${request.registry}/${request.repository}`
  const tag = request.tag === undefined ? '' : `:${request.tag}`
  const digest = request.digest === undefined ? '' : `@${request.digest}`
  let best: Match | undefined
  for (const rule of rules) {
    const length = matchLength(rule.prefix, `${name}${tag}${digest}`)
    if (length !== undefined && (best === undefined || rule.prefix.length > best.rule.prefix.length))
      best = { rule, length: Math.min(length, name.length) }
  }
  return best
}

/** A prefix ends where a part of the name does; `*.host` stands for all of the host in front of the path. */
function matchLength(prefix: string, name: string): number | undefined {
  const host = name.slice(0, name.indexOf('/'))
  if (prefix.startsWith('*.')) return host.endsWith(prefix.slice(1)) ? host.length : undefined
  if (name !== prefix && !(name.startsWith(prefix) && '/:@'.includes(name.charAt(prefix.length))))
    return undefined
  return prefix.length
}

function rewritten({ rule, length }: Match, name: string): Place {
  const { registry, repository } = split(`${rule.location ?? name.slice(0, length)}${name.slice(length)}`)
  return { registry, repository, insecure: rule.insecure, serves: 'all', isMirror: false }
}

function mirrorsOf({ rule, length }: Match, name: string): readonly Place[] {
  return rule.mirrors.map(({ location, insecure, serves }) => {
    const { registry, repository } = split(`${location}${name.slice(length)}`)
    return { registry, repository, insecure, serves, isMirror: true }
  })
}

/** The first slash ends the host: a path may hold dots. */
function split(name: string): Pick<Place, 'registry' | 'repository'> {
  const slash = name.indexOf('/')
  const [registry, repository] = slash === -1 ? [name, ''] : [name.slice(0, slash), name.slice(slash + 1)]
  return { registry: canonicalRegistry(registry), repository }
}
