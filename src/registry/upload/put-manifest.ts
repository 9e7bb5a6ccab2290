import {
  algorithmOf,
  type Descriptor,
  hasDigest,
  isDigest,
  type Job,
  MEDIA_TYPE,
  OssbError,
} from '../../core/index.ts'
import { type RetryAdvice, retry } from '../../io/index.ts'
import { connectionCode } from '../http/connection-code.ts'
import { describeFailure, HttpFailure } from '../http/http-failure.ts'
import { type ManifestContent, resolveManifest } from '../manifests.ts'
import { adviseRetry, requestRetry } from '../http/retry-policy.ts'
import type { Session } from '../session.ts'

/** What a registry told of a manifest that it took. */
export interface StoredManifest {
  /** It lists the manifest as a referrer of its subject by itself (distribution-spec, OCI-Subject). */
  readonly listsSubject: boolean
}

/**
 * Writes a manifest under its digest or a tag. When an answer got lost the registry is asked whether it has the
 * manifest before it is sent again.
 */
export async function putManifest(
  session: Session,
  reference: string,
  content: ManifestContent,
  job: Job,
): Promise<StoredManifest> {
  let isUnsure = false
  const attempt = async () => {
    if (isUnsure && (await stands(session, reference, content, job))) return { listsSubject: false }
    try {
      return await putOnce(session, reference, content, job)
    } catch (error) {
      isUnsure ||= mayBeDone(error)
      throw error
    }
  }
  const policy = requestRetry(session.exchange.clock)
  const advise = (error: unknown) => advisePut(error, session)
  return retry(attempt, { ...policy, advise }, job.signal)
}

/** What a proxy says when it did not get the answer either. */
const GATEWAY: ReadonlySet<number> = new Set([502, 504])

function mayBeDone(error: unknown): boolean {
  return !(error instanceof HttpFailure) || GATEWAY.has(error.status)
}

/** A registry that took its five minutes and did not answer gets a second chance, not a sixth. */
function advisePut(error: unknown, session: Session): RetryAdvice | undefined {
  const advice = adviseRetry(error, session.exchange.clock)
  return connectionCode(error) === 'UND_ERR_HEADERS_TIMEOUT' ? { ...advice, attempts: 2 } : advice
}

/** True when the name stands for this manifest already. */
async function stands(
  session: Session,
  reference: string,
  { bytes }: ManifestContent,
  job: Job,
): Promise<boolean> {
  try {
    return hasDigest(bytes, (await resolveManifest(session, reference, job)).digest)
  } catch {
    job.signal.throwIfAborted()
    return false
  }
}

async function putOnce(
  session: Session,
  reference: string,
  { descriptor, bytes }: ManifestContent,
  job: Job,
): Promise<StoredManifest> {
  const response = await session.send(
    {
      method: 'PUT',
      target: `manifests/${reference}`,
      headers: { 'content-type': descriptor.mediaType },
      body: bytes,
      answerWithinMs: session.commitMs,
      expect: [200, 201, 202],
      retry: 'once',
    },
    job,
  )
  await response.discard()
  const answered = response.headers('docker-content-digest')[0]
  // A registry may answer with the algorithm that it goes by.
  const isRight = answered === undefined || (isDigest(answered) && hasDigest(bytes, answered))
  if (!isRight)
    throw new OssbError(
      'ERR_OSSB_REGISTRY',
      `Cannot push manifest ${descriptor.digest} to "${session.registry}/${session.repository}": the registry stored it as ${answered}`,
      { hint: 'The registry, or a proxy in front of it, changed the manifest.' },
    )
  return { listsSubject: response.headers('oci-subject').length > 0 }
}

const OCI_TYPES: readonly string[] = [MEDIA_TYPE.ociManifest, MEDIA_TYPE.ociIndex]

/**
 * Old registries know Docker's media types only, and most keep manifests by SHA-256 alone. The error to throw says so
 * where a refusal may mean that.
 */
export function explainRefusedFormat(
  error: unknown,
  { mediaType, digest }: Descriptor,
  name: string,
): unknown {
  if (!(error instanceof HttpFailure)) return error
  if (algorithmOf(digest) !== 'sha256' && error.status < 500)
    return new OssbError(
      'ERR_OSSB_REGISTRY',
      `Cannot push manifest ${digest} to ${name}: ${describeFailure(error)}`,
      {
        cause: error,
        hint: 'The registry may keep manifests by SHA-256 digests only. Layouts and archives keep them by any.',
      },
    )
  if (!OCI_TYPES.includes(mediaType)) return error
  const isRefused =
    error.status < 500 &&
    error.problems.some(({ code }) => code === 'MANIFEST_INVALID' || code === 'UNSUPPORTED')
  if (!isRefused && error.status !== 415) return error
  return new OssbError(
    'ERR_OSSB_REGISTRY',
    `Cannot push a manifest of type ${mediaType} to ${name}: ${describeFailure(error)}`,
    {
      cause: error,
      hint: 'If the registry is an old one it may not know the media types of OCI: build with --image-format docker.',
    },
  )
}
