import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { type Descriptor, type Job, OssbError } from '../core/index.ts'
import { type RetryAdvice, retry } from '../io/index.ts'
import { hasBlob } from './blobs.ts'
import { HttpFailure } from './http-failure.ts'
import { shortDigest } from './manifests.ts'
import { reportProgress } from './progress.ts'
import { adviseRetry, requestRetry, type TransferFailure } from './retry-policy.ts'
import type { Session } from './session.ts'
import { watched } from './stall.ts'
import { resolveUploadUrl } from './upload-location.ts'

/** A blob on its way to a repository. */
export interface Upload {
  readonly blob: Descriptor
  /** Opens the content from its start, for each attempt anew. */
  open(): Promise<Readable>
  /** Another repository of the same registry that has the blob. */
  readonly mountFrom?: string
}

/** The whole body is sent, and stored, before the registry answers. */
const COMMIT_MS = 300_000

/**
 * Makes a blob available in a repository: nothing is sent when it is there, and nothing but a request when it can be
 * mounted from another one. A failed session is never used again: some registries would append to it.
 */
export async function uploadBlob(session: Session, upload: Upload, job: Job): Promise<void> {
  const { clock } = session.exchange
  const attempt = async (number: number) => {
    // Also after a failure: the answer may have been lost and the blob not.
    if (await isThere(session, upload, job)) return
    const location =
      (number === 1 ? await mount(session, upload, job) : undefined) ?? (await begin(session, job))
    if (location !== 'mounted') await send(session, upload, location, job)
  }
  await retry(
    attempt,
    { ...requestRetry(clock), advise: (error) => adviseUpload(error, session) },
    job.signal,
  )
}

/** The requests around the body have been retried already; what failed with the body deserves a new session. */
class SessionFailure extends Error {
  override readonly cause: unknown

  constructor(cause: unknown) {
    super('the upload session failed')
    this.name = 'SessionFailure'
    this.cause = cause
  }
}

/** Statuses with which registries say that a session is gone. */
const SESSION_GONE: ReadonlySet<number> = new Set([404, 409, 410, 416])

function adviseUpload(error: unknown, session: Session): RetryAdvice | undefined {
  if (!(error instanceof SessionFailure)) return undefined
  const { cause } = error
  if (cause instanceof HttpFailure && SESSION_GONE.has(cause.status)) return { attempts: 3 }
  if (cause instanceof HttpFailure && cause.problems.some(({ code }) => code === 'DIGEST_INVALID'))
    return { attempts: 2 }
  return adviseRetry(cause, session.exchange.clock)
}

/** A registry that can't say counts as one that does not have it; refused credentials do not. */
async function isThere(session: Session, { blob }: Upload, job: Job): Promise<boolean> {
  try {
    return await hasBlob(session, blob.digest, job)
  } catch (error) {
    if (error instanceof HttpFailure && error.status >= 500) return false
    throw error
  }
}

/** @returns `undefined` when the registry will not: a mount is a favour, and its refusal never an error */
async function mount(
  session: Session,
  { blob, mountFrom }: Upload,
  job: Job,
): Promise<URL | 'mounted' | undefined> {
  if (mountFrom === undefined) return undefined
  try {
    const response = await session.send(
      {
        method: 'POST',
        target: `blobs/uploads/?mount=${blob.digest}&from=${encodeURIComponent(mountFrom)}`,
        headers: { 'content-length': '0' },
        alsoPull: [mountFrom],
        expect: [201, 202],
        retry: 'once',
      },
      job,
    )
    await response.discard()
    return response.status === 201 ? 'mounted' : resolveUploadUrl(response)
  } catch {
    job.signal.throwIfAborted()
    return undefined
  }
}

/** Opens an upload session. @returns its URL */
export async function begin(session: Session, job: Job): Promise<URL> {
  const response = await session.send(
    {
      method: 'POST',
      target: 'blobs/uploads/',
      headers: { 'content-length': '0' },
      expect: [200, 202, 204],
      retry: 'standard',
    },
    job,
  )
  await response.discard()
  return resolveUploadUrl(response)
}

/** Ends a session that will not be used. Registries may refuse that, and forget it by themselves after a while. */
export async function cancel(session: Session, location: URL, job: Job): Promise<void> {
  try {
    const response = await session.send(
      { method: 'DELETE', target: location, expect: [200, 202, 204, 401, 404, 405], retry: 'once' },
      job,
    )
    await response.discard()
  } catch {
    job.signal.throwIfAborted()
  }
}

async function send(session: Session, upload: Upload, location: URL, job: Job): Promise<void> {
  const { blob } = upload
  const stalled = new AbortController()
  const target = new URL(location)
  // Set as text: URLSearchParams would write the registry's own parameters in another way than it did.
  target.search = `${location.search}${location.search === '' ? '?' : '&'}digest=${encodeURIComponent(blob.digest)}`
  try {
    const response = await session.send(
      {
        method: 'PUT',
        target,
        headers: { 'content-type': 'application/octet-stream', 'content-length': String(blob.size) },
        body: bodyOf(session, upload, (failure) => stalled.abort(failure), job),
        answerWithinMs: COMMIT_MS,
        expect: [200, 201, 202, 204],
        retry: 'once',
      },
      { ...job, signal: AbortSignal.any([job.signal, stalled.signal]) },
    )
    await response.discard()
  } catch (error) {
    job.signal.throwIfAborted()
    await cancel(session, location, job)
    if (error instanceof OssbError) throw error
    throw new SessionFailure(error)
  }
}

/** The cause of a failed session, for the message to the user. */
export function withoutSession(error: unknown): unknown {
  return error instanceof SessionFailure ? error.cause : error
}

function bodyOf(
  session: Session,
  upload: Upload,
  onStall: (failure: TransferFailure) => void,
  job: Job,
): Uint8Array | (() => Promise<Readable>) {
  const { blob } = upload
  if (blob.size === 0) return new Uint8Array(0)
  return async () => {
    const source = await upload.open()
    const report = reportProgress(
      { what: `push ${shortDigest(blob.digest)}`, total: blob.size },
      session.exchange.clock,
      job,
    )
    const body = Readable.from(watched(counted(checked(source, blob), report), session.stallMs, onStall), {
      objectMode: false,
      highWaterMark: 256 * 1024,
    })
    body.once('close', () => source.destroy())
    return body
  }
}

async function* counted(
  chunks: AsyncIterable<Uint8Array>,
  report: (current: number) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  let sent = 0
  for await (const chunk of chunks) {
    yield chunk
    sent += chunk.length
    report(sent)
  }
}

/**
 * Holds the last chunk back until the digest is known to be right, so that a registry never gets the whole of a body
 * that is not what it should be.
 */
async function* checked(
  chunks: AsyncIterable<Uint8Array>,
  blob: Descriptor,
): AsyncGenerator<Uint8Array, void, undefined> {
  const hash = createHash('sha256')
  let size = 0
  let held: Uint8Array | undefined
  for await (const chunk of chunks) {
    if (chunk.length === 0) continue
    hash.update(chunk)
    size += chunk.length
    if (held !== undefined) yield held
    held = chunk
    if (size > blob.size) break
  }
  const digest = `sha256:${hash.digest('hex')}`
  if (size !== blob.size || digest !== blob.digest)
    throw new OssbError(
      'ERR_OSSB_INTEGRITY',
      `Cannot push blob ${blob.digest}: the content to send is ${digest} with ${size} bytes, not ${blob.size}`,
      {
        hint: 'The content changed or was damaged where it is stored. Nothing of it was kept by the registry.',
      },
    )
  if (held !== undefined) yield held
}
