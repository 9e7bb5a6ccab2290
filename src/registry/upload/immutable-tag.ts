import { hasDigest, type Job, OssbError } from '../../core/index.ts'
import { describeFailure, HttpFailure } from '../http/http-failure.ts'
import { type ManifestContent, resolveManifest } from '../manifests.ts'
import type { Session } from '../session.ts'

/** How registries say that a tag may not move: ECR, Google Artifact Registry, Harbor, GitLab, Quay. */
const IMMUTABLE = /immutab|cannot be overwritten|can't be overwritten|TAG_INVALID|PRECONDITION/i

/** Statuses that some answer with, and others for other reasons. */
const POSSIBLE: ReadonlySet<number> = new Set([400, 403, 405, 409, 412, 422])

/**
 * Looks behind the refusal of a tag. A tag that may not be moved and stands for the same manifest already, as after a
 * push that is repeated, needs no move.
 * @returns `undefined` when the tag is as it should be, else the error to throw
 */
export async function explainRefusedTag(
  session: Session,
  {
    error,
    tag,
    content,
  }: { readonly error: unknown; readonly tag: string; readonly content: ManifestContent },
  job: Job,
): Promise<unknown> {
  if (!(error instanceof HttpFailure) || !POSSIBLE.has(error.status)) return error
  const there = await resolveManifest(session, tag, job).catch(() => undefined)
  job.signal.throwIfAborted()
  if (there !== undefined && hasDigest(content.bytes, there.digest)) return undefined
  const said = `${error.text} ${error.problems.map(({ code, message }) => `${code} ${message ?? ''}`).join(' ')}`
  if (there === undefined || !(error.status === 412 || IMMUTABLE.test(said))) return error
  return new ImmutableTag(
    `Cannot give ${content.descriptor.digest} the tag "${tag}" in "${session.registry}/${session.repository}": ` +
      `the tag can't be changed, and stands for ${there.digest}: ${describeFailure(error)}`,
    error,
  )
}

/** A tag that its registry does not let go of the manifest that has it. */
export class ImmutableTag extends OssbError {
  constructor(message: string, cause: HttpFailure) {
    super('ERR_OSSB_REGISTRY', message, {
      cause,
      hint: 'Use another tag, or --push-ignore-immutable-tag-errors to leave such tags as they are.',
    })
  }
}
