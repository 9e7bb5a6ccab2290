import type { Descriptor, Job } from '../core/index.ts'
import { readAll, verified } from '../io/index.ts'
import { type BlobSource, MAX_DOCUMENT_BYTES } from '../oci/index.ts'

/** The bytes of a manifest, index or config, checked against their descriptor; at most 8 MiB. */
export async function readDocument(source: BlobSource, document: Descriptor, job: Job): Promise<Buffer> {
  const chunks = verified(await source.open(document, job), document, 'the source')
  return readAll(chunks, MAX_DOCUMENT_BYTES, `document ${document.digest}`)
}
