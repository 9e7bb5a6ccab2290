import { setMaxListeners } from 'node:events'
import { Readable } from 'node:stream'
import { type Descriptor, isIndexType, isManifestType, type Job, OssbError } from '../core/index.ts'
import { createSemaphore, type Semaphore } from '../io/index.ts'
import { type BlobSource, parseIndex, parseManifest, type Repository } from '../oci/index.ts'
import { DamagedByMirror } from './mirrors/mirrors.ts'
import { readDocument } from './read-document.ts'

export interface CopyOptions {
  /** How many blobs are on their way at once; 4 when absent. */
  readonly concurrency?: number
}

/** What a copy needs of where it goes; names are given by others. */
type CopyDestination = Pick<Repository, 'has' | 'open' | 'put'>

/** Indexes may hold indexes; nobody needs more of them than this. */
const MAX_DEPTH = 4
const CONCURRENCY = 4

/**
 * Makes a manifest or index, and all that it names, available in another repository: blobs first, then what names
 * them, so that an interrupted copy leaves nothing that looks whole and is not. What is there is not sent again, and
 * what arrives damaged is asked for once more. Gives no name: see Repository.tag.
 */
export async function copy(
  source: BlobSource,
  destination: CopyDestination,
  root: Descriptor,
  job: Job,
  options: CopyOptions = {},
): Promise<void> {
  const failed = new AbortController()
  const signal = AbortSignal.any([job.signal, failed.signal])
  // Each blob that waits for its turn listens to it.
  setMaxListeners(0, signal)
  const mover: Mover = {
    source,
    destination,
    job: { signal, emit: (event) => job.emit(event) },
    places: createSemaphore(options.concurrency ?? CONCURRENCY),
    moving: new Map(),
    // The first failure stops the others, and is the one that is told.
    stop: (error) => failed.abort(error),
  }
  try {
    await moveDocument(mover, root, 1)
  } catch (error) {
    throw job.signal.aborted ? job.signal.reason : failed.signal.aborted ? failed.signal.reason : error
  }
}

interface Mover {
  readonly source: BlobSource
  readonly destination: CopyDestination
  readonly job: Job
  readonly places: Semaphore
  /** By digest: a blob that several manifests name is moved once. */
  readonly moving: Map<string, Promise<void>>
  stop(error: unknown): void
}

async function moveDocument(mover: Mover, document: Descriptor, depth: number): Promise<void> {
  if (depth > MAX_DEPTH)
    throw new OssbError(
      'ERR_OSSB_IMAGE_INVALID',
      `Cannot copy ${document.digest}: indexes are nested more than ${MAX_DEPTH} deep`,
    )
  // A store may hold a manifest and have lost its blobs, so the walk goes on below what is there.
  const isThere = await mover.destination.has(document, mover.job)
  const bytes = await readDocument(isThere ? mover.destination : mover.source, document, mover.job)
  await all(
    mover,
    childrenOf(document, bytes).map((child) => () => moveChild(mover, child, depth)),
  )
  if (!isThere)
    await mover.destination.put(document, () => Promise.resolve(Readable.from([bytes])), mover.job)
}

function moveChild(mover: Mover, child: Descriptor, depth: number): Promise<void> {
  const known = mover.moving.get(child.digest)
  if (known !== undefined) return known
  const moved = isDocument(child)
    ? moveDocument(mover, child, depth + 1)
    : // A failure must be known before its place is given to the next.
      mover.places.run(() => stopping(mover, () => copyBlob(mover, child, mover.job)), mover.job.signal)
  mover.moving.set(child.digest, moved)
  return moved
}

/** Waits for all, even when one fails, so that nothing is still on its way when the error is told. */
async function all(mover: Mover, tasks: readonly (() => Promise<void>)[]): Promise<void> {
  const running = tasks.map((task) => stopping(mover, task))
  const failure = (await Promise.allSettled(running)).find((one) => one.status === 'rejected')
  if (failure !== undefined) throw failure.reason
}

async function stopping(mover: Mover, task: () => Promise<void>): Promise<void> {
  try {
    await task()
  } catch (error) {
    mover.stop(error)
    throw error
  }
}

/**
 * Makes one blob available in another repository. What arrives damaged is asked for once more, or of each place that
 * has it, with a warning.
 */
export async function copyBlob(
  { source, destination }: { readonly source: BlobSource; readonly destination: CopyDestination },
  blob: Descriptor,
  job: Job,
): Promise<void> {
  for (let isRepeated = false; ; ) {
    try {
      return await destination.put(blob, () => source.open(blob, job), job)
    } catch (error) {
      if (job.signal.aborted || !(error instanceof OssbError) || error.code !== 'ERR_OSSB_INTEGRITY')
        throw error
      const isElsewhere = error instanceof DamagedByMirror
      if (isRepeated && !isElsewhere) throw error
      isRepeated ||= !isElsewhere
      const message = `${error.message}. Asking ${isElsewhere ? 'another place' : 'for it once more'}.`
      job.emit({ type: 'warning', rule: 'DamagedContent', message })
    }
  }
}

export function isDocument({ mediaType }: Descriptor): boolean {
  return isIndexType(mediaType) || isManifestType(mediaType)
}

/** The content that a document names, largest first: a large blob that starts last would be waited for alone. */
export function childrenOf(document: Descriptor, bytes: Buffer): readonly Descriptor[] {
  const what = `manifest ${document.digest}`
  if (isIndexType(document.mediaType)) return parseIndex(bytes, what).manifests
  const manifest = parseManifest(bytes, what)
  return [manifest.config, ...manifest.layers].filter(isDistributable).sort((a, b) => b.size - a.size)
}

/** Foreign layers stay where their `urls` say. */
function isDistributable({ mediaType, urls }: Descriptor): boolean {
  return !(urls !== undefined && urls.length > 0 && /\bforeign\b|nondistributable/.test(mediaType))
}
