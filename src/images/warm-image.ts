import { existsSync, mkdirSync, renameSync, rmSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import {
  errnoOf,
  fileSystemError,
  formatPlatform,
  formatReference,
  hostPlatform,
  type Job,
  parseReference,
} from '../core/index.ts'
import type { WarmImageOptions, WarmImageResult } from '../options/index.ts'
import { copyImage } from './copy-image.ts'
import { inspectImage } from './inspect-image.ts'

/**
 * Puts the image for one platform into a directory of base images, where builds find it by its digest, and by its name
 * when its registry can't be reached: an OCI layout of its own below `directory`, named by the digest of the manifest. It
 * is there whole or not at all, however many do this at once.
 */
export async function warmImage(options: WarmImageOptions, job: Job): Promise<WarmImageResult> {
  const { image, directory, platform = formatPlatform(hostPlatform()), again, ...access } = options
  const reference = parseReference(image)
  const { descriptor } = await inspectImage({ ...access, image, platform, referrers: false }, job)
  const place = join(directory, descriptor.digest)
  const result = { digest: descriptor.digest, directory: place }
  if (existsSync(place) && again !== true) {
    // Its age is counted from when it was last asked for.
    utimesSync(place, new Date(), new Date())
    return { ...result, wasThere: true }
  }
  const partial = join(directory, `.partial-${crypto.randomUUID()}`)
  const source = formatReference({ ...reference, digest: descriptor.digest })
  try {
    mkdirSync(directory, { recursive: true })
    await copyImage(
      {
        ...access,
        source,
        destination: `oci:${partial}:${formatReference(reference)}`,
        tags: [],
        platforms: 'all',
        referrers: false,
      },
      job,
    )
    if (again === true) rmSync(place, { recursive: true, force: true })
    renameSync(partial, place)
  } catch (error) {
    rmSync(partial, { recursive: true, force: true })
    // Another one was faster, with the same content.
    if (errnoOf(error) !== 'ENOTEMPTY' && errnoOf(error) !== 'EEXIST')
      throw fileSystemError(`keep "${image}" in "${directory}"`, error)
  }
  return { ...result, wasThere: false }
}
