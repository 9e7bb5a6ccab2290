import type { Job } from '../../core/index.ts'
import type { HttpResponse } from './transport.ts'

/** Tells what registries have to say to users, each thing once. */
export interface ServerWarnings {
  report(response: Pick<HttpResponse, 'headers'>, registry: string, job: Job): void
}

const LONGEST_TEXT = 300
/** A registry that has more to say than this is not helping. */
const MOST_TEXTS = 20

/** Code 299 and no agent (distribution-spec "Warnings"); headers of another form are not meant for users. */
const WARNING = /299 - "((?:[^"\\]|\\.)*)"/g

export function createServerWarnings(): ServerWarnings {
  const told = new Set<string>()
  return {
    report(response, registry, job) {
      for (const text of response.headers('warning').flatMap(textsIn)) {
        const message = `${registry} says: ${text}`
        if (told.has(message) || told.size >= MOST_TEXTS) continue
        told.add(message)
        job.emit({ type: 'warning', rule: 'RegistryWarning', message })
      }
    },
  }
}

function textsIn(header: string): readonly string[] {
  return [...header.matchAll(WARNING)].map(([, text = '']) =>
    text
      .replace(/\\(.)/g, '$1')
      .replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ')
      .slice(0, LONGEST_TEXT),
  )
}
