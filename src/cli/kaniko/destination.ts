import { CommandError } from './command-error.ts'

const HUB = 'index.docker.io'

/** A reference to push to, in the full form that kaniko writes to files. */
export interface Destination {
  /** What the registry client is given. */
  readonly reference: string
  /** `HOST/REPOSITORY`; Docker Hub is `index.docker.io`. */
  readonly repository: string
  readonly tag: string
}

/**
 * Reads `--destination` as kaniko does: without a registry it is Docker Hub, without a tag it is `latest`.
 * @throws CommandError
 */
export function parseDestination(text: string): Destination {
  const [name = '', digest] = text.split('@')
  const colon = name.lastIndexOf(':')
  const hasTag = colon > name.lastIndexOf('/')
  const path = hasTag ? name.slice(0, colon) : name
  const tag = hasTag ? name.slice(colon + 1) : 'latest'
  const slash = path.indexOf('/')
  const first = path.slice(0, slash)
  const hasHost = slash > 0 && (/[.:]/.test(first) || first === 'localhost')
  const host = hasHost ? first : HUB
  const repository = hasHost ? path.slice(slash + 1) : path
  const isHub = host === HUB || host === 'docker.io'
  if (digest !== undefined)
    throw refuse(text, 'a destination has a tag, and no digest: what is pushed decides that')
  if (!/^[a-z0-9_./-]{2,255}$/.test(repository))
    throw refuse(
      text,
      `repository can only contain the characters \`abcdefghijklmnopqrstuvwxyz0123456789_-./\`: ${repository}`,
    )
  if (!/^[A-Za-z0-9_.-]{1,128}$/.test(tag))
    throw refuse(
      text,
      `tag can only contain the characters \`abcdefghijklmnopqrstuvwxyz0123456789_-.ABCDEFGHIJKLMNOPQRSTUVWXYZ\`: ${tag}`,
    )
  const full = isHub && !repository.includes('/') ? `library/${repository}` : repository
  return {
    reference: `${isHub ? 'docker.io' : host}/${full}:${tag}`,
    repository: `${isHub ? HUB : host}/${full}`,
    tag,
  }
}

function refuse(text: string, why: string): Error {
  return new CommandError(`error checking push permissions: getting tag for destination ${text}: ${why}`)
}
