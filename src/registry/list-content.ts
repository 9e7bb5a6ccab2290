import { type Descriptor, type Digest, type Job, OssbError } from '../core/index.ts'
import type { BlobSource } from '../oci/index.ts'
import { childrenOf, isDocument } from './copy.ts'
import { readDocument } from './read-document.ts'

/** All that some manifests and indexes lead to, as `copy` would move it. */
export interface ContentList {
  /** Everything once, the roots included. */
  readonly descriptors: readonly Descriptor[]
  /** The bytes of manifests and indexes. */
  readonly documents: ReadonlyMap<Digest, Buffer>
}

const MAX_DEPTH = 4

/** Reads the documents below some roots; what they name is not looked at. */
export async function listContent(
  source: BlobSource,
  roots: readonly Descriptor[],
  job: Job,
): Promise<ContentList> {
  const descriptors = new Map<Digest, Descriptor>()
  const documents = new Map<Digest, Buffer>()
  const visit = async (content: Descriptor, depth: number): Promise<void> => {
    if (descriptors.has(content.digest)) return
    descriptors.set(content.digest, content)
    if (!isDocument(content)) return
    if (depth > MAX_DEPTH)
      throw new OssbError(
        'ERR_OSSB_IMAGE_INVALID',
        `Cannot copy ${content.digest}: indexes are nested more than ${MAX_DEPTH} deep`,
      )
    const bytes = await readDocument(source, content, job)
    documents.set(content.digest, bytes)
    for (const child of childrenOf(content, bytes)) await visit(child, depth + 1)
  }
  for (const root of roots) await visit(root, 1)
  return { descriptors: [...descriptors.values()], documents }
}
