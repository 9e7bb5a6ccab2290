import { renameSync, utimesSync } from 'node:fs'
import { type Digest, type Job, OssbError } from '../core/index.ts'
import { createDigestTap, writeStreamAtomic } from '../io/index.ts'

export interface DownloadOptions {
  readonly url: string
  /** Where the file is written, mode 0600, modification time as the server's `Last-Modified`, else the epoch. */
  readonly path: string
  readonly checksum?: Digest
}

const MAX_REDIRECTS = 10

/**
 * Downloads one file over HTTP or HTTPS, for ADD.
 * @throws OssbError ERR_OSSB_NETWORK that names the URL, ERR_OSSB_INTEGRITY when the checksum is another
 */
export async function download({ url, path, checksum }: DownloadOptions, job: Job): Promise<void> {
  const { request } = await import('undici')
  let at = new URL(url)
  for (let hops = 0; hops <= MAX_REDIRECTS; hops += 1) {
    const response = await request(at, {
      signal: job.signal,
      headers: { 'accept-encoding': 'identity' },
    }).catch((cause: unknown) => {
      throw failed(url, cause, job)
    })
    const { location, 'last-modified': modified } = response.headers
    if (response.statusCode >= 300 && response.statusCode < 400 && typeof location === 'string') {
      await response.body.dump()
      at = new URL(location, at)
      continue
    }
    if (response.statusCode !== 200)
      throw new OssbError(
        'ERR_OSSB_NETWORK',
        `Cannot download "${url}": invalid response status ${response.statusCode}`,
      )
    const tap = createDigestTap()
    const keep = (temporary: string) => {
      if (checksum !== undefined && tap.digest() !== checksum)
        throw new OssbError(
          'ERR_OSSB_INTEGRITY',
          `Cannot use "${url}": digest mismatch ${tap.digest()}: ${checksum}`,
        )
      renameSync(temporary, path)
    }
    await writeStreamAtomic(path, tap.through(bodyOf(response.body, url, job)), keep, job, 0o600)
    const seconds = typeof modified === 'string' ? Date.parse(modified) / 1000 : 0
    utimesSync(path, seconds || 0, seconds || 0)
    return
  }
  throw new OssbError('ERR_OSSB_NETWORK', `Cannot download "${url}": more than ${MAX_REDIRECTS} redirects`)
}

async function* bodyOf(body: AsyncIterable<Uint8Array>, url: string, job: Job): AsyncGenerator<Uint8Array> {
  try {
    yield* body
  } catch (cause) {
    throw failed(url, cause, job)
  }
}

function failed(url: string, cause: unknown, job: Job): unknown {
  if (job.signal.aborted) return job.signal.reason
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new OssbError('ERR_OSSB_NETWORK', `Cannot download "${url}": ${reason}`, { cause })
}
