import { Readable } from 'node:stream'
import type { Job } from '../core/index.ts'
import type { Repository } from '../oci/index.ts'
import { settleAll } from './every-failure.ts'
import type { ImageContent } from './image-content.ts'

/** Puts blobs into a repository, then what refers to them, so that nothing there ever leads to something missing. */
export async function putContent(repository: Repository, content: ImageContent, job: Job): Promise<void> {
  await settleAll(
    'store the layers',
    content.layers.map((layer) => () => repository.put(layer.descriptor, () => layer.open(job), job)),
    job,
  )
  for (const { descriptor, bytes } of content.documents)
    await repository.put(descriptor, async () => Readable.from([bytes]), job)
}
