import { type Job, OssbError } from '../../core/index.ts'
import { backOff } from '../../io/index.ts'
import { HttpFailure } from '../http/http-failure.ts'
import { adviseRetry, requestRetry } from '../http/retry-policy.ts'
import type { Session } from '../session.ts'
import type { HttpResponse } from '../http/transport.ts'
import { type Content, commitUpload, sendPart } from './upload-content.ts'
import { UploadFailure } from './upload-failure.ts'
import type { OpenUpload } from './upload-location.ts'
import { resolveUploadUrl } from './upload-location.ts'

/** How often one upload may get nowhere before it counts as failed. */
const MAX_STANDSTILLS = 4

/**
 * Sends a blob in pieces (distribution-spec "Pushing a blob in chunks") and ends the upload. After each piece the
 * registry says how much it has; from there it goes on, also after a connection that broke.
 * @throws UploadFailure of kind `no-chunks` when it does not say, or something that can't be
 */
export async function sendChunks(
  session: Session,
  content: Content,
  { location: first, minChunk, chunkBytes }: OpenUpload & { readonly chunkBytes: number },
  job: Job,
): Promise<void> {
  const { size } = content.blob
  const chunk = Math.max(chunkBytes, minChunk)
  let at: Position = { location: first, received: 0 }
  let standstills = 0
  while (at.received < size) {
    const before = at.received
    at = await sendChunk(session, content, { ...at, to: Math.min(before + chunk, size), standstills }, job)
    standstills = at.received > before ? 0 : standstills + 1
    if (standstills >= MAX_STANDSTILLS) throw noChunks(session, at.location, 'it takes none of a chunk')
  }
  try {
    await commitUpload(session, content, { location: at.location, from: size }, job)
  } catch (error) {
    // A registry that forgot a piece finds it out here.
    const isWrong =
      error instanceof UploadFailure &&
      error.cause instanceof HttpFailure &&
      error.cause.problems.some(({ code }) => code === 'DIGEST_INVALID' || code === 'SIZE_INVALID')
    throw isWrong ? noChunks(session, at.location, 'it did not keep all chunks') : error
  }
}

interface Position {
  readonly location: URL
  /** How many bytes from the start on the registry has. */
  readonly received: number
}

type Chunk = Position & { readonly to: number; readonly standstills: number }

async function sendChunk(
  session: Session,
  content: Content,
  { location, received: from, to, standstills }: Chunk,
  job: Job,
): Promise<Position> {
  let answer: Position | undefined
  try {
    const headers = { 'content-range': `${from}-${to - 1}` }
    const response = await sendPart(
      session,
      content,
      { method: 'PATCH', target: location, headers, from, to },
      job,
    )
    answer = positionIn(response, location, to)
  } catch (error) {
    answer = await afterFailure({ error, location, from, to, standstills }, session, job)
  }
  const status = answer.received < 0 ? await askStatus(session, answer.location, to, job) : answer
  if (status === undefined)
    throw noChunks(session, answer.location, 'it does not say how much of a chunk it has')
  if (status.received < from || status.received > to)
    throw noChunks(
      session,
      status.location,
      `it says that it has ${status.received} bytes of ${to} that were sent`,
    )
  return status
}

interface Broken {
  readonly error: unknown
  readonly location: URL
  readonly from: number
  readonly to: number
  readonly standstills: number
}

/** A connection may break with part of a chunk on the other side; only the registry knows how much. */
async function afterFailure(
  { error, location, from, to, standstills }: Broken,
  session: Session,
  job: Job,
): Promise<Position> {
  const { clock } = session.exchange
  const failure = new UploadFailure(error, { location, bytes: to - from })
  const advice = adviseRetry(error, clock)
  if (job.signal.aborted || advice === undefined) throw failure
  await clock.sleep(backOff(standstills + 1, advice, requestRetry(clock)), job.signal)
  const status = await askStatus(session, location, to, job)
  if (status === undefined || status.received < from || status.received > to) throw failure
  return status
}

/** @returns `undefined` when the registry does not know the session any more, or never tells */
async function askStatus(
  session: Session,
  location: URL,
  to: number,
  job: Job,
): Promise<Position | undefined> {
  try {
    const response = await session.send(
      { method: 'GET', target: location, expect: [200, 202, 204], retry: 'standard' },
      job,
    )
    await response.discard()
    const status = positionIn(response, location, to)
    return status.received < 0 ? undefined : status
  } catch {
    job.signal.throwIfAborted()
    return undefined
  }
}

/** What an answer says of an upload; `received` is -1 where it does not say. */
function positionIn(response: HttpResponse, location: URL, to: number): Position {
  const range = /^(?:bytes=)?0-(\d{1,15})$/.exec(response.headers('range')[0] ?? '')
  const moved = response.headers('location')[0]
  return {
    location: moved === undefined || moved === '' ? location : resolveUploadUrl(response),
    received: range === null ? -1 : lengthOf(Number(range[1]), to),
  }
}

/** There is no range for nothing: registries write that as the one of a single byte. */
function lengthOf(last: number, to: number): number {
  return last === 0 && to !== 1 ? 0 : last + 1
}

function noChunks({ registry, uploads }: Session, location: URL, why: string): UploadFailure {
  const limit = uploads.refusedBytes
  const limited = limit === undefined ? '' : `, and it refused a request of ${limit} bytes as too large`
  return new UploadFailure(
    new OssbError('ERR_OSSB_REGISTRY', `Cannot push to "${registry}" in chunks: ${why}${limited}`, {
      hint: 'Ask who runs the registry, or a proxy in front of it, to allow larger requests.',
    }),
    { location, kind: 'no-chunks' },
  )
}
