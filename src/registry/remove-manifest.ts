import { type Digest, type Job, OssbError } from '../core/index.ts'
import { referralOf } from '../oci/index.ts'
import { describeFailure, HttpFailure } from './http/http-failure.ts'
import { getManifest } from './manifests.ts'
import { withdrawReferrer } from './referrers.ts'
import type { Session } from './session.ts'

/** Removes a manifest, and its entry in the list of its subject where the registry keeps no such list by itself. */
export async function removeManifest(session: Session, digest: Digest, job: Job): Promise<void> {
  const { descriptor, bytes } = await getManifest(session, digest, job)
  // 404 is what a request gets that is sent again because the answer to the first was lost.
  const response = await session
    .send(
      { method: 'DELETE', target: `manifests/${digest}`, expect: [200, 202, 204, 404], retry: 'standard' },
      job,
    )
    .catch((error: unknown) => {
      throw error instanceof HttpFailure && error.status === 405 ? notAllowed(session, digest, error) : error
    })
  await response.discard()
  const referral = referralOf(descriptor, bytes)
  if (referral !== undefined) await withdrawReferrer(session, referral, job)
}

function notAllowed(session: Session, digest: Digest, failure: HttpFailure): OssbError {
  return new OssbError(
    'ERR_OSSB_REGISTRY',
    `Cannot remove manifest ${digest} from "${session.registry}/${session.repository}": ` +
      `the registry allows no deletion: ${describeFailure(failure)}`,
    {
      cause: failure,
      hint: 'Who runs the registry can allow it; for distribution that is storage.delete.enabled in its configuration.',
    },
  )
}
