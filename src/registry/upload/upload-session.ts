import type { Digest, Job } from '../../core/index.ts'
import type { Session } from '../session.ts'
import { type OpenUpload, openedUpload } from './upload-location.ts'

export async function beginUpload(session: Session, job: Job): Promise<OpenUpload> {
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
  return openedUpload(response)
}

/** An upload for a blob: the one that was opened to find out whether that is allowed, where it is still to be had. */
export async function openUpload(session: Session, job: Job): Promise<OpenUpload> {
  const { spares } = session.uploads
  const spare = spares.get(session.repository)
  spares.delete(session.repository)
  return spare ?? (await beginUpload(session, job))
}

/** The address that completes an upload. */
export function commitUrl(location: URL, digest: Digest): URL {
  const target = new URL(location)
  // Set as text: URLSearchParams would write the registry's own parameters in another way than it did.
  target.search = `${location.search}${location.search === '' ? '?' : '&'}digest=${encodeURIComponent(digest)}`
  return target
}

const CANCEL_MS = 2000

/**
 * Ends an upload that will not be completed, also when the job was stopped; in two seconds, or not at all. Registries
 * may refuse (token servers seldom allow a delete) and forget the upload by themselves after a while.
 */
export async function cancelUpload(session: Session, location: URL): Promise<void> {
  const job: Job = { signal: AbortSignal.timeout(CANCEL_MS), emit: () => {} }
  try {
    const response = await session.send(
      { method: 'DELETE', target: location, expect: [200, 202, 204, 401, 403, 404, 405], retry: 'once' },
      job,
    )
    await response.discard()
  } catch {
    // What could not be ended is no failure of the push.
  }
}
