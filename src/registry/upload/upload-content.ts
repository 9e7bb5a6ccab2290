import { Readable } from 'node:stream'
import { type Descriptor, type Job, OssbError } from '../../core/index.ts'
import { hasBlob } from '../blobs.ts'
import { shortDigest } from '../manifests.ts'
import { reportProgress } from '../progress.ts'
import type { TransferFailure } from '../http/retry-policy.ts'
import type { Session } from '../session.ts'
import { watched } from '../http/stall.ts'
import type { HttpResponse } from '../http/transport.ts'
import { type BlobReader, createBlobReader } from './upload-body.ts'
import { UploadFailure } from './upload-failure.ts'
import { commitUrl } from './upload-session.ts'

/** The content of one blob and how far it is on its way. */
export interface Content extends Disposable {
  readonly blob: Descriptor
  readonly reader: BlobReader
  report(sent: number): void
}

export function openContent(
  session: Session,
  { blob, open }: { readonly blob: Descriptor; readonly open: () => Promise<Readable> },
  job: Job,
): Content {
  const what = `push ${shortDigest(blob.digest)}`
  const reader = createBlobReader(blob, open)
  return {
    blob,
    reader,
    report: reportProgress({ what, total: blob.size }, session.exchange.clock, job),
    [Symbol.dispose]: () => reader.close(),
  }
}

/** A request whose body is a part of a blob. */
interface PartRequest {
  readonly method: 'PUT' | 'PATCH'
  readonly target: URL
  readonly headers?: Readonly<Record<string, string>>
  /** The first byte, and the one after the last. */
  readonly from: number
  readonly to: number
}

/** Sends a part of a blob, once. */
export function sendPart(
  session: Session,
  content: Content,
  { from, to, headers, ...request }: PartRequest,
  job: Job,
): Promise<HttpResponse> {
  const part = () => counted(content.reader.part(from, to - from), (sent) => content.report(from + sent))
  return sendBody(
    session,
    {
      ...request,
      headers: { 'content-length': String(to - from), ...headers },
      ...(to === from ? {} : { chunks: part }),
    },
    job,
  )
}

interface BodyRequest extends Pick<PartRequest, 'method' | 'target' | 'headers'> {
  /** Opens the body; absent is none. */
  readonly chunks?: () => AsyncIterable<Uint8Array>
}

/** Sends a body, once. A registry that stops reading it is not waited for. */
export async function sendBody(
  session: Session,
  { method, target, headers = {}, chunks }: BodyRequest,
  job: Job,
): Promise<HttpResponse> {
  const stalled = new AbortController()
  const onStall = (failure: TransferFailure) => stalled.abort(failure)
  const streamOf = (opened: AsyncIterable<Uint8Array>) =>
    // By default streams of this kind hold sixteen chunks, whatever their size.
    Readable.from(watched(opened, session.stallMs, onStall), { objectMode: false, highWaterMark: 256 * 1024 })
  const response = await session.send(
    {
      method,
      target,
      headers: { 'content-type': 'application/octet-stream', ...headers },
      body: chunks === undefined ? new Uint8Array(0) : async () => streamOf(chunks()),
      answerWithinMs: session.commitMs,
      expect: [200, 201, 202, 204],
      retry: 'once',
    },
    { ...job, signal: AbortSignal.any([job.signal, stalled.signal]) },
  )
  await response.discard()
  return response
}

/** Sends the blob, or what is left of it, and ends the upload with it. */
export async function commitUpload(
  session: Session,
  content: Content,
  { location, from }: { readonly location: URL; readonly from: number },
  job: Job,
): Promise<void> {
  const { digest, size } = content.blob
  const target = commitUrl(location, digest)
  const response = await sendPart(session, content, { method: 'PUT', target, from, to: size }, job).catch(
    (error: unknown) => {
      throw new UploadFailure(error, { location, bytes: size - from })
    },
  )
  // Only 201 says that the blob is there; 202 and others are what some answer before it is, or when it is not.
  if (response.status === 201 || (await hasBlob(session, digest, job))) return
  throw new UploadFailure(lost(response, digest), { location, kind: 'lost' })
}

function lost({ status, url }: HttpResponse, digest: string): OssbError {
  return new OssbError(
    'ERR_OSSB_REGISTRY',
    `Cannot push blob ${digest}: ${url.host} answered ${status} to it and does not have it`,
    {
      hint: 'The registry, or a proxy in front of it, does not do what the distribution specification asks.',
    },
  )
}

async function* counted(
  chunks: AsyncIterable<Uint8Array>,
  report: (sent: number) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  let sent = 0
  for await (const chunk of chunks) {
    yield chunk
    sent += chunk.length
    report(sent)
  }
}
