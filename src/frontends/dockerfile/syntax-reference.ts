import { type OssbError, parseReference } from '../../core/index.ts'
import type { Directives } from './directives.ts'
import { dockerfileError } from './dockerfile-error.ts'

/** The frontends whose language this one speaks. */
const REPOSITORIES = ['docker/dockerfile', 'docker/dockerfile-upstream']

/**
 * Accepts `# syntax=` references of Docker's own Dockerfile frontend, of any version and from any registry.
 * @throws OssbError for another language: it would need a frontend that is not here
 */
export function checkSyntax({ syntax }: Directives, override: string | undefined): void {
  const [reference = ''] = (override ?? syntax?.value ?? '').trim().split(/\s/, 1)
  if (reference === '' || reference === 'dockerfile.v0' || isDockerfile(reference)) return
  const source = override === undefined ? syntax?.range : undefined
  throw unsupported(reference, source === undefined ? {} : { source })
}

function isDockerfile(reference: string): boolean {
  try {
    return REPOSITORIES.includes(parseReference(reference).repository)
  } catch {
    return false
  }
}

function unsupported(reference: string, place: Parameters<typeof dockerfileError>[1]): OssbError {
  return dockerfileError(`the syntax "${reference}" is not supported`, {
    ...place,
    hint: 'The language of docker/dockerfile is built in; frontends that are images are not run.',
  })
}
