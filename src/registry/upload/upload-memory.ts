import type { Digest } from '../../core/index.ts'
import { createSemaphore, type Semaphore } from '../../io/index.ts'
import type { OpenUpload } from './upload-location.ts'

/** What is known of uploads to one registry; shared by its repositories. */
export interface UploadMemory {
  /** Blobs above so many bytes are sent in chunks of that many; absent is all in one request. */
  chunkBytes: number | undefined
  /** The size of a request that was too large for the registry, where one was. */
  refusedBytes: number | undefined
  /** Whether blobs may be sent while they are made: until that failed. */
  streams: boolean
  /** How many blobs are on their way to the registry at once. */
  readonly places: Semaphore
  /** Uploads that were opened to find out whether that is allowed, by repository. */
  readonly spares: Map<string, OpenUpload>
  /** The repository that has a blob once the promise settles; `undefined` when it could not be brought there. */
  readonly placed: Map<Digest, Promise<string | undefined>>
}

const CONCURRENCY = 4

export function createUploadMemory({ chunkBytes }: { readonly chunkBytes?: number }): UploadMemory {
  return {
    chunkBytes,
    refusedBytes: undefined,
    streams: true,
    places: createSemaphore(CONCURRENCY),
    spares: new Map(),
    placed: new Map(),
  }
}

/** Largest chunk that is tried after a request was too large: below the limits of most, and S3 wants 5 MiB. */
const LARGEST_CHUNK = 64 * 1024 * 1024
/** A registry that takes not even this much at once is not there to be pushed to. */
const SMALLEST_CHUNK = 64 * 1024

/**
 * Learns from a request of `bytes` that was too large. Later ones are a quarter of it, and never less than what the
 * registry wants at least.
 * @returns `false` when nothing smaller is worth to be tried
 */
export function learnLimit(memory: UploadMemory, bytes: number, minChunk: number): boolean {
  memory.refusedBytes = Math.min(bytes, memory.refusedBytes ?? bytes)
  const next = Math.max(SMALLEST_CHUNK, minChunk, Math.min(LARGEST_CHUNK, Math.floor(bytes / 4)))
  if (next >= bytes) return false
  memory.chunkBytes = Math.min(next, memory.chunkBytes ?? next)
  return true
}

/** Learns that the registry does not put chunks together. @returns `false` when it takes no whole blob either */
export function learnNoChunks(memory: UploadMemory): boolean {
  if (memory.refusedBytes !== undefined) return false
  memory.chunkBytes = undefined
  return true
}
