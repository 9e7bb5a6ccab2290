import { type Descriptor, type Digest, type Job, OssbError } from '../core/index.ts'
import { createTee, passedThrough } from '../io/index.ts'
import type { Arrival, BlobSource, ContentStore } from '../oci/index.ts'
import { copyBlob } from '../registry/index.ts'

/** Makes content available in the store, from where it can be had. */
export interface ContentFetcher {
  fetch(content: Descriptor, source: BlobSource, job: Job): Promise<void>
  /** The same for one who reads it on its way; undefined where it is there, or on its way already. */
  follow(content: Descriptor, source: BlobSource, job: Job): Promise<Arrival | undefined>
}

/**
 * Brings what the store lacks. What an earlier run has left there is read once before its first use: disks forget, and
 * what came from elsewhere can be had again. Damaged content is removed and fetched anew, with a warning.
 */
export function createContentFetcher(store: ContentStore): ContentFetcher {
  const sound = new Map<Digest, Promise<void>>()

  const bring = async (content: Descriptor, source: BlobSource, job: Job): Promise<void> => {
    if (await store.has(content, job)) await removeDamaged(store, content, job)
    await copyBlob({ source, destination: store }, content, job)
  }

  const fetch = (content: Descriptor, source: BlobSource, job: Job): Promise<void> => {
    const known = sound.get(content.digest)
    if (known !== undefined) return known
    const fetched = bring(content, source, job)
    sound.set(content.digest, fetched)
    fetched.catch(() => sound.delete(content.digest))
    return fetched
  }

  const follow = async (content: Descriptor, source: BlobSource, job: Job): Promise<Arrival | undefined> => {
    const isHere = await store.has(content, job)
    if (isHere || sound.has(content.digest)) return undefined
    const tee = createTee(job.signal)
    const open: BlobSource['open'] = async (blob, own) =>
      passedThrough(await source.open(blob, own), blob, (chunks) => tee.through(chunks))
    const whole = fetch(content, { has: (blob, own) => source.has(blob, own), open }, job)
    return { bytes: tee.follow(whole), whole }
  }

  return { fetch, follow }
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
