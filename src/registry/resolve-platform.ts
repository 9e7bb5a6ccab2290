import {
  type Descriptor,
  type Digest,
  formatPlatform,
  isIndexType,
  type Job,
  OssbError,
  type Platform,
  platformRank,
} from '../core/index.ts'
import { type ImageSource, parseIndex } from '../oci/index.ts'
import { readDocument } from './read-document.ts'

export interface ResolvedImage {
  /** The manifest of the image for the platform that was wanted. */
  readonly manifest: Descriptor
  /** What the name stands for: the same, or the index that the manifest was chosen from. */
  readonly root: Descriptor
}

const MAX_DEPTH = 4

/** An image by its name in a repository, and in the words of the user. */
export interface NamedImage {
  /** A tag or a digest. */
  readonly name: string
  /** As the user wrote it, for messages. */
  readonly reference: string
}

/**
 * Finds the image that a name stands for on a platform: in an index the entry that serves it best, the first one
 * among equals. An image without an index is taken as it is.
 * @throws OssbError ERR_OSSB_NOT_FOUND that lists the platforms there are
 */
export async function resolveForPlatform(
  repository: ImageSource,
  { name, reference }: NamedImage,
  platform: Platform,
  job: Job,
): Promise<ResolvedImage> {
  const root = await repository.resolve(name, job)
  if (!isIndexType(root.mediaType)) return { manifest: root, root }
  const entries = await entriesOf(repository, root, job)
  const manifest = bestEntry(entries, platform)
  if (manifest !== undefined) return { manifest, root }
  const available = [
    ...new Set(entries.flatMap((entry) => (entry.platform ? [formatPlatform(entry.platform)] : []))),
  ]
  throw new OssbError(
    'ERR_OSSB_NOT_FOUND',
    `Cannot use "${reference}": it has no image for ${formatPlatform(platform)}`,
    {
      hint:
        available.length === 0
          ? 'Its index states no platform for any image.'
          : `It has images for ${available.join(', ')}; choose one of them with --platform.`,
    },
  )
}

interface Walk {
  readonly depth: number
  readonly seen: Set<Digest>
}

/** The images of an index, those of indexes in it included. */
export async function entriesOf(
  repository: ImageSource,
  index: Descriptor,
  job: Job,
  walk: Walk = { depth: 1, seen: new Set([index.digest]) },
): Promise<readonly Descriptor[]> {
  const { manifests } = parseIndex(await readDocument(repository, index, job), `index ${index.digest}`)
  const nested = manifests.filter(isImage).map((entry) => {
    if (!isIndexType(entry.mediaType)) return Promise.resolve([entry])
    // One that is named a thousand times, on each of four levels, is asked for once.
    if (walk.depth >= MAX_DEPTH || walk.seen.has(entry.digest)) return Promise.resolve([])
    walk.seen.add(entry.digest)
    return entriesOf(repository, entry, job, { depth: walk.depth + 1, seen: walk.seen })
  })
  return (await Promise.all(nested)).flat()
}

/** BuildKit puts attestations beside the images, for a platform that does not exist. */
function isImage({ platform, annotations }: Descriptor): boolean {
  return platform?.os !== 'unknown' && annotations?.['vnd.docker.reference.type'] === undefined
}

function bestEntry(entries: readonly Descriptor[], platform: Platform): Descriptor | undefined {
  let best: { readonly entry: Descriptor; readonly rank: number } | undefined
  for (const entry of entries) {
    const rank = entry.platform === undefined ? undefined : platformRank(entry.platform, platform)
    if (rank !== undefined && (best === undefined || rank < best.rank)) best = { entry, rank }
  }
  // An index that names no platforms and holds one image leaves nothing to choose.
  return best?.entry ?? (entries.length === 1 && entries[0]?.platform === undefined ? entries[0] : undefined)
}
