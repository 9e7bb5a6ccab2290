import { existsSync, realpathSync } from 'node:fs'
import { resolve } from 'node:path'
import {
  type Descriptor,
  digestOf,
  formatReference,
  hostPlatform,
  type ImageLocation,
  isIndexType,
  isManifestType,
  type Job,
  jobOf,
  OssbError,
  parseImageLocation,
  parsePlatform,
  platformRank,
} from '../core/index.ts'
import { type BlobSource, parseIndex, type ReferrerSource } from '../oci/index.ts'
import type { CopyImageOptions, CopyImageResult } from '../options/index.ts'
import { copy, listContent } from '../registry/index.ts'
import { openDestination } from './destination.ts'
import type { PlannedContent } from './place.ts'
import { selectImage, withDocuments } from './selection.ts'
import { createPlaces, nameInCache, openSource } from './source.ts'

/**
 * Copies an image from one place to another: content first, names last, and nothing that is there already.
 * @throws OssbError; the destination is then as it was, but for content that no name leads to
 */
export async function copyImage(options: CopyImageOptions, job: Job): Promise<CopyImageResult> {
  const source = parseImageLocation(options.source)
  const destination = parseImageLocation(options.destination)
  assertOtherPlace(source, destination)
  const name = `copy ${options.source} to ${options.destination}`
  const own = jobOf(job, digestOf(name))
  own.emit({ type: 'started', name })
  try {
    const result = await copyBetween(source, destination, options, own)
    own.emit({ type: 'completed', name })
    return result
  } catch (error) {
    own.emit({ type: 'completed', name, error: error instanceof Error ? error.message : String(error) })
    throw error
  }
}

async function copyBetween(
  from: ImageLocation,
  to: ImageLocation,
  options: CopyImageOptions,
  job: Job,
): Promise<CopyImageResult> {
  await using places = createPlaces(options, job)
  await using opened = await openSource(from, places, options, job)
  const { root, made } = await selectImage({ ...opened, reference: from.text }, options.platforms, job)
  const source = withDocuments(opened.source, new Map(made === undefined ? [] : [[root.digest, made]]))
  assertImage(root, from)
  const referrers = options.referrers ? await referrersOf(opened.source, source, root, job) : []
  const plan = async (): Promise<PlannedContent> => {
    const content = await listContent(source, [root, ...referrers], job)
    return { ...content, mainManifest: mainManifest(root, content.documents, options.platforms) }
  }
  await using target = await openDestination({
    location: to,
    options,
    places,
    mountFrom: () => opened.origin,
    plan,
  })
  await copy(source, target.repository, root, job)
  // What refers to the image comes after it: some registries refuse a subject that they do not have.
  for (const referrer of referrers) await copy(source, target.repository, referrer, job)
  const names = await target.name(root, job)
  return {
    descriptor: { mediaType: root.mediaType, digest: root.digest, size: root.size },
    names,
    referrers: referrers.length,
  }
}

/** Signatures of signatures are as deep as anybody went. */
const MAX_REFERRER_DEPTH = 4

/** What refers to the image, to the images in it, and to that again, each once. */
async function referrersOf(
  list: ReferrerSource,
  source: BlobSource,
  root: Descriptor,
  job: Job,
): Promise<readonly Descriptor[]> {
  const { documents, descriptors } = await listContent(source, [root], job)
  const found = new Map<string, Descriptor>()
  let subjects = descriptors.filter(({ digest }) => documents.has(digest))
  for (let depth = 0; depth < MAX_REFERRER_DEPTH && subjects.length > 0; depth += 1) {
    const next: Descriptor[] = []
    for (const { digest } of subjects)
      for (const referrer of await list.referrers(digest, job))
        if (!found.has(referrer.digest) && !documents.has(referrer.digest)) {
          found.set(referrer.digest, referrer)
          next.push(referrer)
        }
    subjects = next
  }
  return [...found.values()]
}

/** The image for programs that know no index: the one for the first platform that was asked for, else the first. */
function mainManifest(
  root: Descriptor,
  documents: ReadonlyMap<string, Buffer>,
  platforms: CopyImageOptions['platforms'],
): Descriptor {
  const bytes = documents.get(root.digest)
  if (!isIndexType(root.mediaType) || bytes === undefined) return root
  const [first] = platforms === 'all' ? [] : platforms
  const wanted = first === undefined ? hostPlatform() : parsePlatform(first)
  const entries = parseIndex(bytes, `index ${root.digest}`).manifests.filter(
    ({ mediaType, platform }) =>
      platform?.os !== 'unknown' && (isManifestType(mediaType) || isIndexType(mediaType)),
  )
  const fitting = entries.find(({ platform }) => platform && platformRank(platform, wanted) !== undefined)
  const chosen = fitting ?? entries[0]
  if (chosen === undefined)
    throw new OssbError(
      'ERR_OSSB_IMAGE_INVALID',
      `Cannot write ${root.digest} to an archive: its index is empty`,
    )
  return mainManifest(chosen, documents, platforms)
}

function assertImage({ mediaType, digest }: Descriptor, { text }: ImageLocation): void {
  if (isManifestType(mediaType) || isIndexType(mediaType)) return
  throw new OssbError(
    'ERR_OSSB_IMAGE_INVALID',
    `Cannot copy "${text}": ${digest} is no image, but of the type "${mediaType}"`,
  )
}

/** A copy onto itself would at best do nothing. */
function assertOtherPlace(source: ImageLocation, destination: ImageLocation): void {
  if (placeOf(source) !== placeOf(destination)) return
  throw new OssbError(
    'ERR_OSSB_USAGE',
    `Cannot copy "${source.text}" to "${destination.text}": they are the same place`,
    { hint: 'Choose another destination; "ossb copy REF REPOSITORY:NEWTAG" gives an image another tag.' },
  )
}

function placeOf(location: ImageLocation): string {
  switch (location.type) {
    case 'registry':
      return `registry ${formatReference(location.reference)}`
    case 'cache':
      return `cache ${nameInCache(location.name)}`
    case 'oci':
      return `directory ${realPath(location.path)} ${location.name}`
    case 'oci-archive':
    case 'docker-archive':
      return `file ${realPath(location.path)}`
    default:
      return location satisfies never
  }
}

function realPath(path: string): string {
  return existsSync(path) ? realpathSync(path) : resolve(path)
}
