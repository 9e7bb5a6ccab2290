import { join } from 'node:path'
import { type Digest, digestHex } from '../core/index.ts'
import { blobPath } from '../oci/index.ts'

/**
 * Every name in a cache directory:
 *
 *     oci-layout, index.json      the content, as an OCI layout; names of images are in the index
 *     blobs/<algorithm>/<hex>     layers, configs and manifests; what is made here is in blobs/sha256
 *     steps/<hex>.json            results of steps, by cache key
 *     compressed/<hex>.json       what a layer is compressed as, by its diff_id
 *     snapshots/<chain id>/       unpacked root file systems
 *     downloads/<hex>[.json]      files of ADD from URLs, by content, and what is known of each URL
 *     mounts/<hex>/               contents of RUN --mount=type=cache
 *     work/<random>/              what a running build needs; locked by it
 *     tally.json                  how many steps were found, and were not
 *     lock                        shared by builds, exclusive for a prune
 */
export interface StorePaths {
  readonly root: string
  readonly index: string
  readonly layoutMark: string
  readonly blobs: string
  readonly steps: string
  readonly forms: string
  readonly snapshots: string
  readonly downloads: string
  readonly mounts: string
  readonly work: string
  readonly tally: string
  readonly lock: string
  blob(digest: Digest): string
  step(key: Digest): string
  compressed(diffId: Digest): string
  snapshot(chainId: Digest): string
}

export function storePaths(root: string): StorePaths {
  const steps = join(root, 'steps')
  const forms = join(root, 'compressed')
  const snapshots = join(root, 'snapshots')
  return {
    root,
    index: join(root, 'index.json'),
    layoutMark: join(root, 'oci-layout'),
    blobs: join(root, 'blobs'),
    steps,
    forms,
    snapshots,
    downloads: join(root, 'downloads'),
    mounts: join(root, 'mounts'),
    work: join(root, 'work'),
    tally: join(root, 'tally.json'),
    lock: join(root, 'lock'),
    blob: (digest) => join(root, blobPath(digest)),
    step: (key) => join(steps, `${digestHex(key)}.json`),
    compressed: (diffId) => join(forms, `${digestHex(diffId)}.json`),
    snapshot: (chainId) => join(snapshots, digestHex(chainId)),
  }
}
