import type { Readable } from 'node:stream'
import type { Descriptor, Digest, Job } from '../core/index.ts'
import { backOff, verifiedStream } from '../io/index.ts'
import { type Answer, type Asker, createAsker } from './blob-answer.ts'
import { beginElsewhere } from './foreign.ts'
import { HttpFailure } from './http/http-failure.ts'
import { shortDigest } from './manifests.ts'
import { reportProgress } from './progress.ts'
import { adviseRetry, noteAttempts, requestRetry, TransferFailure } from './http/retry-policy.ts'
import type { Session } from './session.ts'
import { guarded } from './http/stall.ts'

export async function hasBlob(session: Session, digest: Digest, job: Job): Promise<boolean> {
  const response = await session.send(
    {
      method: 'HEAD',
      target: `blobs/${digest}`,
      // A virtual repository answers 403 for what is not there.
      expect: [200, 403, 404, 405],
      retry: 'standard',
    },
    job,
  )
  await response.discard()
  return response.status === 200
}

/**
 * Opens a blob: from the registry, or where that does not have it from the places that its descriptor names. A
 * connection that breaks is resumed where it broke; the stream ends with an error unless size and digest were right.
 */
export async function openBlob(session: Session, blob: Descriptor, job: Job): Promise<Readable> {
  const host = `"${session.registry}/${session.repository}"`
  const action = `pull blob ${blob.digest} from ${host}`
  const begun = await session.explained(action, () => begin(session, blob, job), job)
  const stream = verifiedStream(download({ session, blob, action, ...begun }, job), blob, host)
  // A stream that is dropped before its first read never starts the generators that would let go of the answer.
  stream.once('close', () => begun.first.response.body.destroy())
  return stream
}

async function begin(session: Session, blob: Descriptor, job: Job): Promise<Begun> {
  const { urls = [] } = blob
  const ask = createAsker(blob, ({ headers, expect }) =>
    session.send(
      {
        method: 'GET',
        target: `blobs/${blob.digest}`,
        headers,
        expect,
        retry: 'standard',
        ...(urls.length === 0 ? { missing: 'once-more' } : {}),
      },
      job,
    ),
  )
  try {
    return { ask, first: await ask(0) }
  } catch (error) {
    if (urls.length === 0 || !(error instanceof HttpFailure && error.status === 404)) throw error
    return beginElsewhere(session, blob, error, job)
  }
}

interface Begun {
  readonly ask: Asker
  readonly first: Answer
}

interface Download extends Begun {
  readonly session: Session
  readonly blob: Descriptor
  readonly action: string
}

async function* download(
  { session, blob, action, ask, first }: Download,
  job: Job,
): AsyncGenerator<Uint8Array, void, undefined> {
  const patience = createPatience()
  const report = reportProgress(
    { what: `pull ${shortDigest(blob.digest)}`, total: blob.size },
    session.exchange.clock,
    job,
  )
  let received = 0
  try {
    for (let answer = first; ; answer = await ask(received)) {
      try {
        const chunks = guarded(answer.chunks, session.stallMs)
        for await (const chunk of answer.skip === 0 ? chunks : withoutStart(chunks, answer.skip)) {
          received += chunk.length
          yield chunk
          report(received)
        }
        if (received >= blob.size) return
        throw new TransferFailure(
          'OSSB_SHORT_BODY',
          `the connection ended after ${received} of ${blob.size} bytes`,
        )
      } catch (error) {
        if (received === blob.size) return
        await patience.wait({ error, received, session }, job)
      }
    }
  } catch (error) {
    throw session.explain(error, action, job)
  }
}

export async function* withoutStart(
  chunks: AsyncIterable<Uint8Array>,
  skip: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let left = skip
  for await (const chunk of chunks) {
    const rest = left === 0 ? chunk : chunk.subarray(Math.min(left, chunk.length))
    left -= chunk.length - rest.length
    if (rest.length > 0) yield rest
  }
}

const PROGRESS_BYTES = 64 * 1024
const MAX_RESUMES = 20
const MAX_FAILURES_IN_PLACE = 6

interface Interruption {
  readonly error: unknown
  readonly received: number
  readonly session: Session
}

/** Allows another attempt as long as the download gets on: 20 in all, 6 at one place. */
function createPatience() {
  let resumes = 0
  let inPlace = 0
  let lastAt = 0
  return {
    async wait({ error, received, session }: Interruption, job: Job): Promise<void> {
      const { clock } = session.exchange
      const advice = adviseRetry(error, clock)
      noteAttempts(error, resumes + 1)
      inPlace = received - lastAt >= PROGRESS_BYTES ? 1 : inPlace + 1
      lastAt = received
      resumes += 1
      if (
        job.signal.aborted ||
        advice === undefined ||
        resumes > MAX_RESUMES ||
        inPlace >= MAX_FAILURES_IN_PLACE
      )
        throw error
      await clock.sleep(backOff(inPlace, advice, requestRetry(clock)), job.signal)
    },
  }
}
