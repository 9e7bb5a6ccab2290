import type { Readable } from 'node:stream'
import { type Descriptor, type Job, OssbError } from '../../core/index.ts'
import { type RetryAdvice, retry } from '../../io/index.ts'
import { hasBlob } from '../blobs.ts'
import { HttpFailure } from '../http/http-failure.ts'
import { adviseRetry, requestRetry } from '../http/retry-policy.ts'
import type { Session } from '../session.ts'
import { sendChunks } from './upload-chunks.ts'
import { commitUpload, openContent } from './upload-content.ts'
import { UploadFailure } from './upload-failure.ts'
import { type OpenUpload, openedUpload } from './upload-location.ts'
import { learnLimit, learnNoChunks } from './upload-memory.ts'
import { beginUpload, cancelUpload, openUpload } from './upload-session.ts'

/** A blob on its way to a repository. */
export interface Upload {
  readonly blob: Descriptor
  /** Opens the content from its start, for each attempt anew. */
  open(): Promise<Readable>
  /** Another repository of the same registry that has the blob. */
  readonly mountFrom?: string
}

export interface UploadOptions {
  /** Send it even where the registry says that it has it: it has shown that it does not. */
  readonly again?: boolean
}

/**
 * Makes a blob available in a repository: nothing is sent when it is there, and nothing but a request when it can be
 * mounted from another one, which includes one that it is on its way to now. A failed upload is never gone on with
 * unless the registry says where: some registries would append to it.
 */
export async function uploadBlob(
  session: Session,
  upload: Upload,
  job: Job,
  options: UploadOptions = {},
): Promise<void> {
  const { uploads } = session
  const { digest } = upload.blob
  const before = uploads.placed.get(digest)
  let settle = (_repository: string | undefined | PromiseLike<string | undefined>): void => {}
  uploads.placed.set(digest, new Promise((resolve) => (settle = resolve)))
  try {
    await uploads.places.run(() => uploadIn(session, upload, { ...options, before, job }), job.signal)
    settle(session.repository)
  } catch (error) {
    settle(before)
    throw error instanceof SessionFailure ? error.cause : error
  }
}

interface Circumstances extends UploadOptions {
  /** The repository that an earlier upload of the same blob brings it to. */
  readonly before: Promise<string | undefined> | undefined
  readonly job: Job
}

async function uploadIn(
  session: Session,
  upload: Upload,
  { again = false, before, job }: Circumstances,
): Promise<void> {
  const attempt = async (number: number) => {
    const isFirst = number === 1
    // Also after a failure: the answer may have been lost and the blob not.
    if (!again && (await isThere(session, upload, job))) return
    const opened =
      isFirst && !again ? await mountOrBegin(session, upload, before, job) : await beginUpload(session, job)
    if (opened !== 'there') await send(session, upload, opened, job)
  }
  const { clock } = session.exchange
  await retry(
    attempt,
    { ...requestRetry(clock), advise: (error) => adviseUpload(error, session) },
    job.signal,
  )
}

/** The requests around the body have been retried already; what failed with the body deserves a new session. */
class SessionFailure extends Error {
  override readonly cause: unknown
  readonly advice: RetryAdvice | undefined

  constructor(cause: unknown, advice: RetryAdvice | undefined) {
    super('the upload session failed')
    this.name = 'SessionFailure'
    this.cause = cause
    this.advice = advice
  }
}

function adviseUpload(error: unknown, session: Session): RetryAdvice | undefined {
  if (!(error instanceof SessionFailure)) return undefined
  return error.advice ?? adviseRetry(error.cause, session.exchange.clock)
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

async function mountOrBegin(
  session: Session,
  upload: Upload,
  before: Circumstances['before'],
  job: Job,
): Promise<OpenUpload | 'there'> {
  const elsewhere = await before
  if (elsewhere === session.repository) return 'there'
  const from = elsewhere ?? upload.mountFrom
  const mounted =
    from === undefined || from === session.repository ? undefined : await mount(session, upload, from, job)
  return mounted ?? (await openUpload(session, job))
}

/** @returns `undefined` when the registry will not: a mount is a favour, and its refusal never an error */
async function mount(
  session: Session,
  { blob }: Upload,
  from: string,
  job: Job,
): Promise<OpenUpload | 'there' | undefined> {
  try {
    const response = await session.send(
      {
        method: 'POST',
        target: `blobs/uploads/?mount=${blob.digest}&from=${encodeURIComponent(from)}`,
        headers: { 'content-length': '0' },
        alsoPull: [from],
        expect: [201, 202],
        retry: 'once',
      },
      job,
    )
    await response.discard()
    return response.status === 201 ? 'there' : openedUpload(response)
  } catch {
    job.signal.throwIfAborted()
    return undefined
  }
}

async function send(session: Session, upload: Upload, opened: OpenUpload, job: Job): Promise<void> {
  try {
    await sendBlob(session, upload, opened, job)
  } catch (error) {
    const failure = error instanceof UploadFailure ? error : new UploadFailure(error, opened)
    await cancelUpload(session, failure.location)
    job.signal.throwIfAborted()
    // Such as damaged content: what the registry has no part in, no other session mends.
    if (failure.cause instanceof OssbError && failure.kind === undefined) throw failure.cause
    throw new SessionFailure(failure.cause, adviseSession(session, failure, opened))
  }
}

async function sendBlob(session: Session, upload: Upload, opened: OpenUpload, job: Job): Promise<void> {
  using content = openContent(session, upload, job)
  const { chunkBytes } = session.uploads
  if (chunkBytes === undefined || upload.blob.size <= Math.max(chunkBytes, opened.minChunk))
    await commitUpload(session, content, { location: opened.location, from: 0 }, job)
  else await sendChunks(session, content, { ...opened, chunkBytes }, job)
}

/** Statuses with which registries say that a session is gone. */
const SESSION_GONE: ReadonlySet<number> = new Set([404, 409, 410, 416])

/** What a failed session deserves, where that is not what any failed request does. */
function adviseSession(
  session: Session,
  { cause, kind, bytes }: UploadFailure,
  { minChunk }: OpenUpload,
): RetryAdvice | undefined {
  if (kind === 'no-chunks') return learnNoChunks(session.uploads) ? { attempts: 6 } : { attempts: 0 }
  if (kind === 'lost') return { attempts: 3 }
  if (!(cause instanceof HttpFailure)) return undefined
  // From 64 MiB down to 64 KiB it takes six attempts.
  if (cause.status === 413) return { attempts: learnLimit(session.uploads, bytes, minChunk) ? 8 : 0 }
  if (SESSION_GONE.has(cause.status)) return { attempts: 3 }
  return cause.problems.some(({ code }) => code === 'DIGEST_INVALID') ? { attempts: 2 } : undefined
}
