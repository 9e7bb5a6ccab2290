import { type Job, OssbError } from './core/index.ts'
import type { PutTextOptions } from './options/index.ts'
import { createTransport } from './registry/index.ts'

/** Milliseconds without an answer after which a server counts as dead. */
const STALL_MS = 60_000

/** See index.ts. */
export async function putText({ url, text, ...trust }: PutTextOptions, job: Job): Promise<void> {
  await using http = createTransport({ ...trust, insecureRegistries: [], stallMs: STALL_MS })
  const refused = (reason: string, cause?: unknown) =>
    new OssbError('ERR_OSSB_NETWORK', `Cannot put a file to "${url}": request failed: ${reason}`, { cause })
  const response = await http
    .send({
      method: 'PUT',
      url: new URL(url),
      headers: { 'content-type': 'text/plain' },
      body: Buffer.from(text),
      signal: job.signal,
    })
    .catch((error: unknown) => {
      job.signal.throwIfAborted()
      throw refused(error instanceof Error ? error.message : String(error), error)
    })
  await response.discard()
  if (response.status >= 400) throw refused(String(response.status))
}
