import {
  type Descriptor,
  type Digest,
  digestOf,
  isIndexType,
  type Job,
  MEDIA_TYPE,
  OssbError,
} from '../core/index.ts'
import {
  type ImageIndex,
  MAX_DOCUMENT_BYTES,
  parseIndex,
  type Referral,
  type ReferrerOptions,
  referrersTag,
  selectReferrers,
} from '../oci/index.ts'
import { HttpFailure } from './http/http-failure.ts'
import { getManifest } from './manifests.ts'
import { putManifest } from './upload/put-manifest.ts'
import type { Session } from './session.ts'
import type { HttpResponse } from './http/transport.ts'

/** What registries without the referrers API answer: the specification says 404, with whatever body. */
const NO_API: ReadonlySet<number> = new Set([400, 404, 405, 406, 501])
const MAX_PAGES = 1000

/**
 * What refers to a manifest: from the referrers API, all pages of it, and where the registry has none from the tag
 * that stands in for it (distribution-spec "Listing Referrers"). An artifact type is looked for here as well:
 * registries may leave that to the client.
 */
export async function listReferrers(
  session: Session,
  subject: Digest,
  { artifactType }: ReferrerOptions,
  job: Job,
): Promise<readonly Descriptor[]> {
  const listed = await askApi(session, subject, artifactType, job)
  return selectReferrers(listed ?? (await readList(session, subject, job))?.manifests ?? [], artifactType)
}

/** @returns `undefined` when the registry has no such API */
async function askApi(
  session: Session,
  subject: Digest,
  artifactType: string | undefined,
  job: Job,
): Promise<readonly Descriptor[] | undefined> {
  const filter = artifactType === undefined ? '' : `?artifactType=${encodeURIComponent(artifactType)}`
  const found: Descriptor[] = []
  let target: string | URL | undefined = `referrers/${subject}${filter}`
  for (let page = 0; target !== undefined; page += 1) {
    if (page >= MAX_PAGES) throw invalidList(session, subject, `it has more than ${MAX_PAGES} pages`)
    const { response, bytes } = await session.read(
      {
        method: 'GET',
        target,
        headers: { accept: MEDIA_TYPE.ociIndex },
        expect: page === 0 ? [200, ...NO_API] : [200],
        retry: 'standard',
      },
      MAX_DOCUMENT_BYTES,
      job,
    )
    // Some answer 200 with a page for people.
    const type = response.headers('content-type')[0]?.split(';', 1)[0]?.trim() ?? ''
    if (response.status !== 200 || (page === 0 && !isIndexType(type))) return undefined
    found.push(...parseIndex(bytes, `the referrers of ${subject}`).manifests)
    target = nextPage(response)
    if (target !== undefined && target.origin !== response.url.origin)
      throw invalidList(session, subject, `its next page is on another host, "${target.host}"`)
  }
  return found
}

/** The URL of the next page (RFC 8288); some write `rel=next` without quotes. */
function nextPage(response: HttpResponse): URL | undefined {
  for (const header of response.headers('link')) {
    const next = /<([^>]*)>[^,]*;\s*rel="?next"?/i.exec(header)?.[1]
    if (next !== undefined && URL.canParse(next, response.url.href)) return new URL(next, response.url)
  }
  return undefined
}

function invalidList(session: Session, subject: Digest, why: string): OssbError {
  return new OssbError(
    'ERR_OSSB_REGISTRY',
    `Cannot list what refers to ${subject} in "${session.registry}/${session.repository}": ${why}`,
  )
}

const EMPTY: ImageIndex = { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests: [] }

/**
 * The index behind the tag that stands in for the API; an empty one where there is no tag. A tag that names something
 * else is left alone, with a warning.
 */
async function readList(session: Session, subject: Digest, job: Job): Promise<ImageIndex | undefined> {
  const tag = referrersTag(subject)
  try {
    const { descriptor, bytes } = await getManifest(session, tag, job)
    if (isIndexType(descriptor.mediaType)) return parseIndex(bytes, `the index "${tag}"`)
    job.emit({
      type: 'warning',
      rule: 'ReferrersNotListed',
      message:
        `The tag "${tag}" in "${session.registry}/${session.repository}" should list what refers to ${subject}, ` +
        `and is a ${descriptor.mediaType}: it was left as it is`,
    })
    return undefined
  } catch (error) {
    if (error instanceof HttpFailure && error.status === 404) return EMPTY
    throw error
  }
}

/** How often a list is written again that others write at the same time. */
const MAX_ROUNDS = 8
const ROUND_MS = 200

interface Change {
  readonly subject: Digest
  /** True for a list that needs no change. */
  isDone(manifests: readonly Descriptor[]): boolean
  apply(manifests: readonly Descriptor[]): readonly Descriptor[]
}

/**
 * Makes a manifest findable from its subject. A registry with the referrers API does that by itself; for others the
 * tag that stands in for it is changed. Registries know no conditional writes, so the list is read again after each
 * write, and written again when another client's write undid ours.
 */
export async function announceReferrer(
  session: Session,
  { subject, referrer }: Referral,
  job: Job,
): Promise<void> {
  if ((await askApi(session, subject, undefined, job)) !== undefined) return
  await changeList(
    session,
    {
      subject,
      isDone: (manifests) => manifests.some(({ digest }) => digest === referrer.digest),
      apply: (manifests) => [...manifests, referrer],
    },
    job,
  )
}

/** Takes a manifest that was removed from the list of its subject. */
export async function withdrawReferrer(
  session: Session,
  { subject, referrer }: Referral,
  job: Job,
): Promise<void> {
  if ((await askApi(session, subject, undefined, job)) !== undefined) return
  const others = (manifests: readonly Descriptor[]) =>
    manifests.filter(({ digest }) => digest !== referrer.digest)
  await changeList(
    session,
    { subject, isDone: (manifests) => others(manifests).length === manifests.length, apply: others },
    job,
  )
}

async function changeList(session: Session, change: Change, job: Job): Promise<void> {
  const { subject } = change
  const { clock } = session.exchange
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const list = await readList(session, subject, job)
    if (list === undefined || change.isDone(list.manifests)) return
    const bytes = Buffer.from(JSON.stringify({ ...list, manifests: change.apply(list.manifests) }))
    const descriptor = {
      mediaType: list.mediaType ?? MEDIA_TYPE.ociIndex,
      digest: digestOf(bytes),
      size: bytes.length,
    }
    await putManifest(session, referrersTag(subject), { descriptor, bytes }, job)
    // Who read the list before we wrote it has written it by now.
    await clock.sleep(ROUND_MS + Math.round(clock.random() * ROUND_MS * round), job.signal)
  }
  throw new OssbError(
    'ERR_OSSB_REGISTRY',
    `Cannot list what refers to ${subject} in "${session.registry}/${session.repository}": ` +
      `others changed the tag "${referrersTag(subject)}" at the same time, ${MAX_ROUNDS} times`,
    { hint: 'Try again.' },
  )
}
