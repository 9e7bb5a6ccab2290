import { type Descriptor, type Digest, type Job, OssbError } from '../core/index.ts'
import type { BlobSource, ContentStore } from '../oci/index.ts'
import { copyBlob } from '../registry/index.ts'

/** Makes content available in the store, from where it can be had. */
export type FetchContent = (content: Descriptor, source: BlobSource, job: Job) => Promise<void>

/**
 * Brings what the store lacks. What an earlier run has left there is read once before its first use: disks forget, and
 * what came from elsewhere can be had again. Damaged content is removed and fetched anew, with a warning.
 */
export function createFetchContent(store: ContentStore): FetchContent {
  const sound = new Map<Digest, Promise<void>>()

  const fetch: FetchContent = async (content, source, job) => {
    if (await store.has(content, job)) await removeDamaged(store, content, job)
    await copyBlob({ source, destination: store }, content, job)
  }

  return (content, source, job) => {
    const known = sound.get(content.digest)
    if (known !== undefined) return known
    const fetched = fetch(content, source, job)
    sound.set(content.digest, fetched)
    fetched.catch(() => sound.delete(content.digest))
    return fetched
  }
}

async function removeDamaged(store: ContentStore, content: Descriptor, job: Job): Promise<void> {
  try {
    for await (const _chunk of await store.open(content, job)) job.signal.throwIfAborted()
  } catch (error) {
    if (!(error instanceof OssbError) || error.code !== 'ERR_OSSB_INTEGRITY') throw error
    job.emit({
      type: 'warning',
      rule: 'DamagedContent',
      message: `${error.message}. It was removed, and is fetched again.`,
    })
    store.discard(content)
  }
}
