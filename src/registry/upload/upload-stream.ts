import { type Job, OssbError } from '../../core/index.ts'
import type { ComingBlob } from '../../oci/index.ts'
import type { Session } from '../session.ts'
import { commitUpload, openContent, sendBody } from './upload-content.ts'
import { UploadFailure } from './upload-failure.ts'
import { resolveUploadUrl } from './upload-location.ts'
import { cancelUpload, openUpload } from './upload-session.ts'

/**
 * Sends a blob while it is made, in one request whose length nobody knows, and names it at its end, as Docker and others
 * push. Its bytes come once, so that nothing is tried again; the registry at which this failed is not asked for it a
 * second time.
 * @throws what the transport or the registry answered, not yet made into an OssbError; the upload is ended then
 */
export async function streamBlob(session: Session, blob: ComingBlob, job: Job): Promise<void> {
  const { uploads } = session
  if (!uploads.streams || uploads.chunkBytes !== undefined) throw notInOneGo(session)
  const sent = send(session, blob, job)
  const place = sent.then(
    () => session.repository,
    () => undefined,
  )
  blob.descriptor.then(
    ({ digest }) => uploads.placed.set(digest, place),
    () => undefined,
  )
  try {
    await sent
  } catch (error) {
    uploads.streams = false
    throw error
  }
}

async function send(session: Session, blob: ComingBlob, job: Job): Promise<void> {
  let { location } = await openUpload(session, job)
  try {
    const response = await sendBody(
      session,
      { method: 'PATCH', target: location, chunks: onlyOnce(session, blob.bytes) },
      job,
    )
    location = resolveUploadUrl(response)
    const descriptor = await blob.descriptor
    using nothing = openContent(
      session,
      { blob: descriptor, open: () => Promise.reject(notInOneGo(session)) },
      job,
    )
    await commitUpload(session, nothing, { location, from: descriptor.size }, job)
  } catch (error) {
    await cancelUpload(session, location)
    throw error instanceof UploadFailure ? error.cause : error
  }
}

/** The body of one request. A registry that wants the request again, as after 401, can't have it. */
function onlyOnce(session: Session, bytes: AsyncIterable<Uint8Array>): () => AsyncIterable<Uint8Array> {
  let isTaken = false
  return () => {
    if (isTaken) throw notInOneGo(session)
    isTaken = true
    return bytes
  }
}

function notInOneGo({ registry }: Session): OssbError {
  return new OssbError('ERR_OSSB_REGISTRY', `Cannot push to "${registry}" what is still being made`)
}
