import { Readable } from 'node:stream'
import type { Job } from '../core/index.ts'
import type { Repository } from '../oci/index.ts'
import { settleAll } from './every-failure.ts'
import type { ImageContent } from './image-content.ts'

/**
 * Puts blobs into a repository, then what refers to them, so that nothing there ever leads to something missing.
 * Large blobs go first: one that starts last would be waited for alone.
 */
export async function putContent(repository: Repository, content: ImageContent, job: Job): Promise<void> {
  const layers = [...content.layers].sort((a, b) => b.descriptor.size - a.descriptor.size)
  await settleAll(
    'store the layers',
    layers.map((layer) => () => repository.put(layer.descriptor, () => layer.open(job), job)),
    job,
  )
  for (const { descriptor, bytes } of content.documents)
    await repository.put(descriptor, async () => Readable.from([bytes]), job)
}

/**
 * A layout that lists nothing of what is put into it: the attestations of an image are found by its index, and beside it
 * they would be images of their own to most readers.
 */
export function unlisted(layout: Repository): Repository {
  return {
    ...layout,
    put: (expected, open, job) =>
      layout.put({ ...expected, mediaType: 'application/octet-stream' }, open, job),
  }
}
