import { type Descriptor, type Job, OssbError } from '../core/index.ts'
import { type Answer, type Asker, createAsker } from './blob-answer.ts'
import { describeFailure, HttpFailure } from './http/http-failure.ts'
import { whyNotThere } from './http/redirects.ts'
import type { Session } from './session.ts'

/**
 * Begins the download of a blob that the registry does not have at the places that its descriptor names (image-spec
 * descriptor.md#properties, `urls`), one after the other: over http or https, never with credentials, never to where a
 * server must not send us.
 * @throws OssbError ERR_OSSB_NOT_FOUND that says of each place why it was none
 */
export async function beginElsewhere(
  session: Session,
  blob: Descriptor,
  refusal: HttpFailure,
  job: Job,
): Promise<{ readonly ask: Asker; readonly first: Answer }> {
  const failures: string[] = []
  for (const text of blob.urls ?? []) {
    const url = URL.canParse(text) ? new URL(text) : undefined
    const why = url === undefined ? 'it is not a URL' : whyNotThere(url, session.registry)
    try {
      if (url === undefined || why !== undefined) throw new Error(why)
      const ask = createAsker(blob, ({ headers, expect }) =>
        session.fetch({ url: withoutUser(url), headers }, expect, job),
      )
      return { ask, first: await ask(0) }
    } catch (error) {
      job.signal.throwIfAborted()
      failures.push(`${nameOf(url, text)}: ${reasonOf(error)}`)
    }
  }
  throw new OssbError(
    'ERR_OSSB_NOT_FOUND',
    `Cannot pull blob ${blob.digest} from "${session.registry}/${session.repository}": ${describeFailure(refusal)}; and from where its descriptor says neither: ${failures.join('; ')}`,
    {
      cause: refusal,
      hint: 'The layer is not in the registry, and has to be had from the place that made it.',
    },
  )
}

function withoutUser(url: URL): URL {
  const plain = new URL(url)
  plain.username = ''
  plain.password = ''
  return plain
}

function nameOf(url: URL | undefined, text: string): string {
  if (url === undefined) return `"${text.slice(0, 100)}"`
  return url.host === '' ? url.href.slice(0, 100) : `${url.protocol}//${url.host}${url.pathname}`
}

function reasonOf(error: unknown): string {
  if (error instanceof HttpFailure) return describeFailure(error)
  return error instanceof Error ? error.message : String(error)
}
