import {
  type Descriptor,
  formatReference,
  isIndexType,
  type Job,
  OssbError,
  type Platform,
  type Reference,
} from '../core/index.ts'
import { readAll, verified } from '../io/index.ts'
import { type ImageSource, MAX_DOCUMENT_BYTES, parseManifest } from '../oci/index.ts'
import { type ResolvedImage, resolveForPlatform } from '../registry/index.ts'

export interface LocalImage extends ResolvedImage {
  readonly repository: ImageSource
}

/**
 * Finds an image by its full name ("docker.io/library/alpine:3.20") or its digest in the first of the repositories that
 * holds all of it for the platform.
 */
export async function findLocal(
  repositories: readonly ImageSource[],
  reference: Reference,
  platform: Platform,
  job: Job,
): Promise<LocalImage | undefined> {
  const full = formatReference(reference)
  const names = reference.digest === undefined ? [full] : [full, reference.digest]
  for (const repository of repositories) {
    for (const name of names) {
      const found = await ifThere(() =>
        resolveForPlatform(repository, { name, reference: full }, platform, job),
      )
      if (found === undefined || (reference.digest ?? found.root.digest) !== found.root.digest) continue
      if (await isWhole(repository, found.manifest, job)) return { ...found, repository }
    }
  }
  return undefined
}

/** The first of the repositories that holds an image with all its layers. */
export async function firstWhole(
  repositories: readonly ImageSource[],
  manifest: Descriptor,
  job: Job,
): Promise<ImageSource | undefined> {
  for (const repository of repositories) if (await isWhole(repository, manifest, job)) return repository
  return undefined
}

async function isWhole(repository: ImageSource, manifest: Descriptor, job: Job): Promise<boolean> {
  if (isIndexType(manifest.mediaType) || !(await repository.has(manifest, job))) return false
  const chunks = verified(await repository.open(manifest, job), manifest, 'its source')
  const what = `manifest ${manifest.digest}`
  const { config, layers } = parseManifest(await readAll(chunks, MAX_DOCUMENT_BYTES, what), what)
  for (const part of [config, ...layers]) if (!(await repository.has(part, job))) return false
  return true
}

async function ifThere<T>(find: () => Promise<T>): Promise<T | undefined> {
  try {
    return await find()
  } catch (error) {
    if (error instanceof OssbError && error.code === 'ERR_OSSB_NOT_FOUND') return undefined
    throw error
  }
}
