import { digestOf, OssbError } from '../../core/index.ts'
import type { ConfigResolver } from '../../graph/index.ts'

/** Stands for an image that nobody looked at: one of the platform that is wanted, about which nothing else is known. */
export const standIn: ConfigResolver = (reference, { os, architecture, variant }) =>
  Promise.resolve({
    manifest: {
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      digest: digestOf(reference),
      size: 0,
    },
    config: {
      os,
      architecture,
      ...(variant === undefined ? {} : { variant }),
      rootfs: { type: 'layers', diff_ids: [] },
    },
  })

/** The same resolver, with a stand-in for each image that cannot be found; `failed` hears of those. */
export function tolerant(
  images: ConfigResolver,
  failed: (reference: string, reason: string) => void,
): ConfigResolver {
  return async (reference, platform, job) => {
    try {
      return await images(reference, platform, job)
    } catch (error) {
      job.signal.throwIfAborted()
      // A name that is none would fail anywhere, at any time.
      if (!(error instanceof OssbError) || error.code === 'ERR_OSSB_REFERENCE_INVALID') throw error
      failed(reference, error.message)
      return await standIn(reference, platform, job)
    }
  }
}

/** The same resolver, asking once for each image and platform. */
export function onceEach(images: ConfigResolver): ConfigResolver {
  const asked = new Map<string, ReturnType<ConfigResolver>>()
  return (reference, platform, job) => {
    const key = JSON.stringify([reference, platform])
    const answer = asked.get(key) ?? images(reference, platform, job)
    asked.set(key, answer)
    return answer
  }
}
