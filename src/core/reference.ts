import { type Digest, isDigest } from './digest.ts'
import { OssbError } from './errors.ts'

/** A reference to an image in a registry, taken apart. Never joined and parsed again. */
export interface Reference {
  /** Host and optional port; `docker.io` for Docker Hub. */
  readonly registry: string
  /** Path of the repository, `library/` included for Docker Hub's own images. */
  readonly repository: string
  readonly tag?: string
  readonly digest?: Digest
}

const DOMAIN_LABEL = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])'
const DOMAIN = new RegExp(`^(?:${DOMAIN_LABEL}(?:\\.${DOMAIN_LABEL})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?$`)
const PATH_COMPONENT = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*$/
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/

/**
 * Parses an image reference by the grammar of distribution/reference: `[domain/]path[:tag][@digest]`.
 * A reference without tag and digest gets the tag `latest`.
 * @throws OssbError ERR_OSSB_REFERENCE_INVALID that names the offending part
 */
export function parseReference(text: string): Reference {
  const invalid = (why: string) =>
    new OssbError(
      'ERR_OSSB_REFERENCE_INVALID',
      `Cannot use "${text.slice(0, 300)}" as an image reference: ${why}`,
      {
        hint: 'A reference is [registry[:port]/]name[:tag][@sha256:digest], in lower case, for example registry.example.com/team/app:1.0.',
      },
    )
  const [beforeDigest, digest] = splitOnce(text, text.indexOf('@'))
  if (digest !== undefined && !isDigest(digest))
    throw invalid(
      `"${digest}" is not a digest ("sha256:" and 64, or "sha512:" and 128 lower-case hex digits)`,
    )
  const lastSlash = beforeDigest.lastIndexOf('/')
  const colon = beforeDigest.indexOf(':', lastSlash + 1)
  const [name, tag] = splitOnce(beforeDigest, colon)
  if (tag !== undefined && !TAG.test(tag))
    throw invalid(`"${tag}" is not a tag (letters, digits, "_", "." and "-", at most 128)`)
  const { registry, repository } = splitDomain(name)
  if (!DOMAIN.test(registry)) throw invalid(`"${registry}" is not a registry host`)
  if (/^[a-f0-9]{64}$/.test(name)) throw invalid('64 hex digits are an image ID, not a name')
  if (repository.toLowerCase() !== repository)
    throw invalid(`the repository name "${repository}" must be lower-case`)
  const bad = repository.split('/').find((component) => !PATH_COMPONENT.test(component))
  if (bad !== undefined)
    throw invalid(
      bad === '' ? 'a part of the name is empty' : `"${bad}" is not a valid part of a repository name`,
    )
  if (repository.length > 255) throw invalid('the repository name must not be more than 255 characters')
  const effectiveTag = tag ?? (digest === undefined ? 'latest' : undefined)
  return {
    registry,
    repository,
    ...(effectiveTag === undefined ? {} : { tag: effectiveTag }),
    ...(digest === undefined ? {} : { digest }),
  }
}

function splitOnce(text: string, at: number): readonly [string, string | undefined] {
  return at === -1 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)]
}

function splitDomain(name: string): { registry: string; repository: string } {
  const [first, rest] = splitOnce(name, name.indexOf('/'))
  const isDomain =
    rest !== undefined && (first === 'localhost' || /[.:]/.test(first) || first.toLowerCase() !== first)
  const registry = isDomain ? first : 'docker.io'
  const path = isDomain ? rest : name
  if (registry !== 'docker.io' && registry !== 'index.docker.io') return { registry, repository: path }
  return { registry: 'docker.io', repository: path.includes('/') ? path : `library/${path}` }
}

export function formatReference(reference: Reference): string {
  const tag = reference.tag === undefined ? '' : `:${reference.tag}`
  const digest = reference.digest === undefined ? '' : `@${reference.digest}`
  return `${reference.registry}/${reference.repository}${tag}${digest}`
}

/** As people write it: without `docker.io/` and `library/`. */
export function familiarReference(reference: Reference): string {
  return formatReference(reference).replace(/^docker\.io\/(library\/(?=[^/]+$))?/, '')
}

/**
 * A name with the registry that it is meant for: `registry` (a host, and perhaps a path) goes in front of names that
 * state no registry of their own.
 */
export function nameInRegistry(name: string, registry: string | undefined): string {
  const statesRegistry =
    parseReference(name).registry !== 'docker.io' || /^(?:index\.)?docker\.io\//.test(name)
  return registry === undefined || statesRegistry ? name : `${registry.replace(/\/+$/, '')}/${name}`
}
