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
