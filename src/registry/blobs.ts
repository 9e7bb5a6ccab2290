import type { Readable } from 'node:stream'
import type { Descriptor, Digest, Job } from '../core/index.ts'
import { backOff, verifiedStream } from '../io/index.ts'
import { shortDigest } from './manifests.ts'
import { reportProgress } from './progress.ts'
import { adviseRetry, requestRetry, TransferFailure } from './retry-policy.ts'
import type { Session } from './session.ts'
import { guarded } from './stall.ts'
import type { HttpResponse } from './transport.ts'

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
 * Opens a blob. A connection that breaks is resumed where it broke; the stream ends with an error unless size and
 * digest were right.
 */
export async function openBlob(session: Session, blob: Descriptor, job: Job): Promise<Readable> {
  const host = `"${session.registry}/${session.repository}"`
  const action = `pull blob ${blob.digest} from ${host}`
  const first = await session.explained(action, () => request(session, blob, 0, job), job)
  const stream = verifiedStream(download({ session, blob, action, first }, job), blob, host)
  // A stream that is dropped before its first read never starts the generators that would let go of the answer.
  stream.once('close', () => first.response.body.destroy())
  return stream
}

interface Answer {
  readonly response: HttpResponse
  /** How many bytes at its start we have already. */
  readonly skip: number
}

interface Download {
  readonly session: Session
  readonly blob: Descriptor
  readonly action: string
  readonly first: Answer
}

async function* download(
  { session, blob, action, first }: Download,
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
    for (let answer = first; ; answer = await request(session, blob, received, job)) {
      try {
        const chunks = guarded(answer.response.body, session.stallMs)
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

async function request(session: Session, blob: Descriptor, from: number, job: Job): Promise<Answer> {
  const get = (headers: Record<string, string>, expect: readonly number[]) =>
    session.send({ method: 'GET', target: `blobs/${blob.digest}`, headers, expect, retry: 'standard' }, job)
  if (from > 0) {
    // Some registries understand the closed form of a range only.
    const response = await get({ range: `bytes=${from}-${blob.size - 1}` }, [200, 206, 416])
    if (response.status === 200) return { response, skip: from }
    if (response.status === 206 && startsAt(response, from, blob.size)) return { response, skip: 0 }
    response.body.destroy()
  }
  return { response: await get({}, [200]), skip: from }
}

function startsAt(response: HttpResponse, from: number, size: number): boolean {
  const range = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(response.headers('content-range')[0] ?? '')
  return range !== null && Number(range[1]) === from && (range[3] === '*' || Number(range[3]) === size)
}

async function* withoutStart(
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
