import { type Job, OssbError } from '../../core/index.ts'
import { HttpFailure } from '../http/http-failure.ts'
import type { Session } from '../session.ts'
import { beginUpload } from './upload-session.ts'

/**
 * Opens an upload session, which is the only request whose answer tells whether a push is allowed: some registries
 * hand out tokens that allow less than was asked for. The session is kept for the first blob.
 */
export async function checkPush(session: Session, job: Job): Promise<void> {
  const name = `"${session.registry}/${session.repository}"`
  try {
    const { spares } = session.uploads
    if (spares.has(session.repository)) return
    spares.set(
      session.repository,
      await session.explained(`push to ${name}`, () => beginUpload(session, job), job),
    )
  } catch (error) {
    if (!isPassing(error)) throw error
    job.emit({
      type: 'warning',
      rule: 'PushNotChecked',
      message: `Could not find out whether a push to ${name} is allowed: ${error.message}`,
    })
  }
}

/** Trouble that may be over when the build is. */
function isPassing(error: unknown): error is OssbError {
  if (!(error instanceof OssbError)) return false
  if (error.code === 'ERR_OSSB_NETWORK') return true
  return error.cause instanceof HttpFailure && (error.cause.status >= 500 || error.cause.status === 429)
}
