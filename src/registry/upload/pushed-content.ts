import type { Digest, Job } from '../../core/index.ts'
import { HttpFailure } from '../http/http-failure.ts'
import type { ManifestContent } from '../manifests.ts'
import { putManifest } from './put-manifest.ts'
import type { Session } from '../session.ts'
import { type Upload, uploadBlob } from './upload.ts'

/** What was, or is being, pushed to a repository in this run. */
export interface PushedContent {
  keepBlob(upload: Upload): void
  keepManifest(content: ManifestContent): void
  manifest(digest: Digest): ManifestContent | undefined
  /**
   * Puts a manifest. When the registry answers that content is missing which it said before to have (it collects its
   * garbage, or its parts do not agree yet), that content is sent again, and then the manifest, once.
   */
  completing<T>(put: () => Promise<T>, job: Job): Promise<T>
}

/** Manifests are kept so that to tag them needs no download. */
const REMEMBERED_BYTES = 16 * 1024 * 1024

export function createPushedContent(session: Session): PushedContent {
  const blobs = new Map<Digest, Upload>()
  const manifests = new Map<Digest, ManifestContent>()
  let size = 0

  const sendAgain = async (digest: Digest, job: Job): Promise<void> => {
    const upload = blobs.get(digest)
    const manifest = manifests.get(digest)
    if (upload !== undefined) await uploadBlob(session, upload, job, { again: true })
    else if (manifest !== undefined) await putManifest(session, digest, manifest, job)
  }

  return {
    keepBlob: (upload) => void blobs.set(upload.blob.digest, upload),
    keepManifest(content) {
      if (manifests.has(content.descriptor.digest) || size + content.bytes.length > REMEMBERED_BYTES) return
      size += content.bytes.length
      manifests.set(content.descriptor.digest, content)
    },
    manifest: (digest) => manifests.get(digest),
    async completing(put, job) {
      try {
        return await put()
      } catch (error) {
        const missing = missingIn(error).filter((digest) => blobs.has(digest) || manifests.has(digest))
        if (missing.length === 0) throw error
        for (const digest of missing) await sendAgain(digest, job)
        return await put()
      }
    },
  }
}

/** The content that a refused manifest lacks, as far as the answer names it. */
function missingIn(error: unknown): readonly Digest[] {
  if (!(error instanceof HttpFailure)) return []
  const problems = error.problems.filter(({ code }) => /^(?:MANIFEST_BLOB|MANIFEST|BLOB)_UNKNOWN$/.test(code))
  return [...new Set(problems.flatMap(({ digests }) => digests))]
}
