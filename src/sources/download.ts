import {
  chmodSync,
  constants,
  copyFileSync,
  createReadStream,
  readFileSync,
  renameSync,
  utimesSync,
} from 'node:fs'
import { join } from 'node:path'
import {
  algorithmOf,
  type Digest,
  type DigestAlgorithm,
  digestHex,
  digestOf,
  fileSystemError,
  isDigest,
  type Job,
  OssbError,
  redact,
} from '../core/index.ts'
import { createDigestTap, retry, systemClock, writeFileAtomic, writeStreamAtomic } from '../io/index.ts'
import { downloadAuthorization } from './authorization.ts'
import type { HttpAnswer } from './http.ts'
import type { SourceServices } from './services.ts'

export interface Download {
  readonly url: string
  readonly checksum?: Digest
}

/** A file that was downloaded, now or by an earlier build and still what the server has. */
export interface Downloaded {
  readonly path: string
  /** Where it came from in the end, after redirects; without what a query may give away. */
  readonly from?: string
  /** What the server said of it. */
  readonly headers: Readonly<Partial<Record<KeptHeader, string>>>
  readonly digest: Digest
  /** The server's `Last-Modified` in seconds since the epoch, else 0. */
  readonly modified: number
}

type KeptHeader = 'etag' | 'last-modified' | 'content-disposition'

/** What is known of a URL from the last download: what it was, and how to ask whether it still is. */
interface DownloadRecord {
  readonly url: string
  readonly digest: Digest
  readonly modified: number
  readonly etag?: string
  readonly lastModified?: string
  readonly contentDisposition?: string
  readonly from?: string
}

const MAX_REDIRECTS = 10
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])
const ATTEMPTS = 3
const PROGRESS_MS = 100

/**
 * Downloads a file over HTTP or HTTPS. What was gathered comes first; what was downloaded before is used again when the
 * server says that it has not changed, and without asking when it is what `checksum` asks for or nobody may be asked.
 * @throws OssbError ERR_OSSB_NETWORK that names the URL, ERR_OSSB_INTEGRITY when the checksum is another
 */
export async function download(what: Download, services: SourceServices, job: Job): Promise<Downloaded> {
  const fetched = (await takeGathered(what.url, services, job)) ?? (await fetchFile(what, services, job))
  const { checksum } = what
  if (checksum === undefined) return fetched
  const digest = await digestAs(algorithmOf(checksum), fetched)
  if (digest === checksum) return fetched
  throw new OssbError(
    'ERR_OSSB_INTEGRITY',
    `Cannot use "${what.url}": digest mismatch ${digest}: ${checksum}`,
  )
}

/** Files are known by one algorithm, and a checksum may be of the other. */
async function digestAs(algorithm: DigestAlgorithm, { path, digest }: Downloaded): Promise<Digest> {
  return algorithmOf(digest) === algorithm ? digest : await digestOfFile(path, algorithm)
}

/** Whether a file can be had at all: gathered, from a host that may be asked, or from an earlier download. */
export async function canDownload({ url }: Download, services: SourceServices): Promise<boolean> {
  if (services.gathered?.file(url) !== undefined || mayAsk(url, services)) return true
  return (await readRecord(url, services)) !== undefined
}

function mayAsk(url: string, { requireReach }: SourceServices): boolean {
  try {
    requireReach?.(new URL(url))
    return true
  } catch {
    return false
  }
}

async function takeGathered(
  url: string,
  services: SourceServices,
  job: Job,
): Promise<Downloaded | undefined> {
  const file = services.gathered?.file(url)
  if (file === undefined) return undefined
  const path = contentPath(file.digest, services)
  if (!(await isContent(path, file.digest)))
    await writeStreamAtomic(path, await file.open(job), (temporary) => renameSync(temporary, path), job, {
      mode: 0o600,
    })
  return { path, digest: file.digest, modified: file.modified, headers: {} }
}

async function fetchFile(what: Download, services: SourceServices, job: Job): Promise<Downloaded> {
  const known = await readRecord(what.url, services)
  if (known !== undefined && (known.digest === what.checksum || !mayAsk(what.url, services)))
    return kept(known, services)
  return await retry(
    () => fetchOnce(what, known, services, job),
    { clock: systemClock, attempts: ATTEMPTS, baseMs: 500, maxMs: 5000, advise: adviceFor },
    job.signal,
  )
}

/** Puts a downloaded file where ADD wants it: mode 0600, and as old as the server says. */
export function placeDownload({ path, modified }: Pick<Downloaded, 'path' | 'modified'>, to: string): void {
  try {
    copyFileSync(path, to, constants.COPYFILE_FICLONE)
    chmodSync(to, 0o600)
    utimesSync(to, modified, modified)
  } catch (error) {
    throw fileSystemError(`write "${to}"`, error)
  }
}

/** A failure that may be gone when the request is made again. */
class TransientFailure extends OssbError {}

function adviceFor(error: unknown): object | undefined {
  return error instanceof TransientFailure ? {} : undefined
}

async function fetchOnce(
  { url }: Download,
  known: DownloadRecord | undefined,
  services: SourceServices,
  job: Job,
): Promise<Downloaded> {
  const { answer, from } = await sendFollowing(url, conditions(known), services, job)
  if (answer.status === 304 && known !== undefined) {
    await answer.discard()
    return kept(known, services)
  }
  if (answer.status !== 200) {
    await answer.discard()
    throw statusError(url, answer.status)
  }
  return await keep({ url, from }, answer, services, job)
}

function conditions(known: DownloadRecord | undefined): Readonly<Record<string, string>> {
  if (known?.etag !== undefined) return { 'if-none-match': known.etag }
  return known?.lastModified === undefined ? {} : { 'if-modified-since': known.lastModified }
}

async function sendFollowing(
  url: string,
  headers: Readonly<Record<string, string>>,
  { http, secret }: SourceServices,
  job: Job,
): Promise<{ readonly answer: HttpAnswer; readonly from: URL }> {
  let at = new URL(url)
  for (let hops = 0; hops <= MAX_REDIRECTS; hops += 1) {
    const authorization = downloadAuthorization(at, secret)
    const answer = await http
      .send({
        method: 'GET',
        url: withoutCredentials(at),
        headers: {
          ...headers,
          ...(authorization === undefined ? {} : { authorization }),
          'accept-encoding': 'identity',
          'user-agent': 'ossb',
        },
        signal: job.signal,
      })
      .catch((cause: unknown) => {
        throw networkError(url, cause, job)
      })
    const [location] = answer.headers('location')
    if (!REDIRECTS.has(answer.status) || location === undefined) return { answer, from: at }
    await answer.discard()
    at = redirectTarget(location, at, url)
  }
  throw new OssbError('ERR_OSSB_NETWORK', `Cannot download "${url}": more than ${MAX_REDIRECTS} redirects`)
}

function redirectTarget(location: string, from: URL, url: string): URL {
  const next = URL.canParse(location, from.href) ? new URL(location, from) : undefined
  if (next?.protocol === 'http:' || next?.protocol === 'https:') return next
  throw new OssbError('ERR_OSSB_NETWORK', `Cannot download "${url}": it redirects to "${location}"`)
}

function withoutCredentials(url: URL): URL {
  const plain = new URL(url)
  plain.username = ''
  plain.password = ''
  return plain
}

async function keep(
  { url, from }: { readonly url: string; readonly from: URL },
  answer: HttpAnswer,
  services: SourceServices,
  job: Job,
): Promise<Downloaded> {
  const [etag] = answer.headers('etag')
  const [lastModified] = answer.headers('last-modified')
  const [contentDisposition] = answer.headers('content-disposition')
  const seconds = Math.floor(Date.parse(lastModified ?? '') / 1000)
  const tap = createDigestTap()
  await writeStreamAtomic(
    join(services.downloads, 'download'),
    tap.through(reported(answer, url, job)),
    (temporary) => renameSync(temporary, contentPath(tap.digest(), services)),
    job,
    { mode: 0o600 },
  )
  const record: DownloadRecord = {
    url,
    digest: tap.digest(),
    modified: Number.isFinite(seconds) ? Math.max(0, seconds) : 0,
    ...(etag === undefined ? {} : { etag }),
    ...(lastModified === undefined ? {} : { lastModified }),
    ...(contentDisposition === undefined ? {} : { contentDisposition }),
    from: `${from.origin}${from.pathname}`,
  }
  writeFileAtomic(recordPath(url, services), JSON.stringify(record), { mode: 0o600 })
  return kept(record, services)
}

async function* reported(answer: HttpAnswer, url: string, job: Job): AsyncGenerator<Uint8Array> {
  const total = Number(answer.headers('content-length')[0])
  const what = `downloading ${redact(url)}`
  let current = 0
  let told = Number.NEGATIVE_INFINITY
  try {
    for await (const chunk of answer.body) {
      yield chunk
      current += chunk.length
      if (current !== total && performance.now() - told < PROGRESS_MS) continue
      told = performance.now()
      job.emit({ type: 'progress', what, current, unit: 'bytes', ...(total > 0 ? { total } : {}) })
    }
  } catch (cause) {
    throw networkError(url, cause, job)
  }
}

function kept(record: DownloadRecord, services: SourceServices): Downloaded {
  const { digest, modified, etag, lastModified, contentDisposition, from } = record
  return {
    path: contentPath(digest, services),
    digest,
    modified,
    headers: {
      ...(etag === undefined ? {} : { etag }),
      ...(lastModified === undefined ? {} : { 'last-modified': lastModified }),
      ...(contentDisposition === undefined ? {} : { 'content-disposition': contentDisposition }),
    },
    ...(from === undefined ? {} : { from }),
  }
}

function contentPath(digest: Digest, { downloads }: SourceServices): string {
  return join(downloads, digestHex(digest))
}

function recordPath(url: string, { downloads }: SourceServices): string {
  return join(downloads, `${digestHex(digestOf(url))}.json`)
}

/** The record of a URL, when the content that it names is there and whole. */
async function readRecord(url: string, services: SourceServices): Promise<DownloadRecord | undefined> {
  try {
    const record = JSON.parse(readFileSync(recordPath(url, services), 'utf8')) as DownloadRecord
    if (record.url !== url || !isDigest(record.digest)) return undefined
    return (await isContent(contentPath(record.digest, services), record.digest)) ? record : undefined
  } catch {
    // What cannot be used again is downloaded again.
    return undefined
  }
}

async function digestOfFile(path: string, algorithm: DigestAlgorithm): Promise<Digest> {
  const tap = createDigestTap(algorithm)
  for await (const _chunk of tap.through(createReadStream(path))) continue
  return tap.digest()
}

async function isContent(path: string, digest: Digest): Promise<boolean> {
  try {
    return (await digestOfFile(path, algorithmOf(digest))) === digest
  } catch {
    return false
  }
}

function statusError(url: string, status: number): OssbError {
  const message = `Cannot download "${url}": invalid response status ${status}`
  const isTransient = status === 429 || (status >= 500 && status !== 501)
  return isTransient
    ? new TransientFailure('ERR_OSSB_NETWORK', message)
    : new OssbError('ERR_OSSB_NETWORK', message)
}

function networkError(url: string, cause: unknown, job: Job): unknown {
  if (job.signal.aborted) return job.signal.reason
  if (cause instanceof OssbError) return cause
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new TransientFailure('ERR_OSSB_NETWORK', `Cannot download "${url}": ${reason}`, { cause })
}
