import {
  familiarReference,
  formatPlatform,
  OssbError,
  type Platform,
  parseReference,
} from '../../core/index.ts'
import { createVertex, type DockerfileInput, type NamedContext, type Vertex } from '../../graph/index.ts'

/** The vertex of a build context; `context` is the main one. */
export function contextVertex(name: string): Vertex {
  const label = name === 'context' ? '[internal] load build context' : `[context ${name}] load from client`
  return createVertex({ kind: 'context', name }, [], { name: label })
}

/** The named context that stands for `reference`, if there is one; one for the platform alone comes first. */
export function findNamedContext(
  input: DockerfileInput,
  reference: string,
  platform: Platform,
): NamedContext | undefined {
  if (input.namedContexts.length === 0) return undefined
  const names = [reference.toLowerCase(), familiarName(reference)]
  const candidates = [...names.map((name) => `${name}::${formatPlatform(platform)}`), ...names]
  for (const candidate of candidates) {
    const found = input.namedContexts.find(({ name }) => name === candidate)
    if (found !== undefined) return found
  }
  return undefined
}

function familiarName(reference: string): string {
  try {
    return familiarReference(parseReference(reference)).replace(/:latest$/, '')
  } catch (error) {
    if (error instanceof OssbError) return reference
    throw error
  }
}
