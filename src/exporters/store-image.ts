import { formatReference, parseReference } from '../core/index.ts'
import type { Repository } from '../oci/index.ts'
import { type Exporter, exportedAs } from './exporter.ts'
import { type ContentOptions, imageContent } from './image-content.ts'
import { putContent, unlisted } from './put-content.ts'

export interface StoreImageOptions extends ContentOptions {
  readonly store: Repository
  readonly names: readonly string[]
}

/** Keeps an image in the content store, by its full names. */
export function createStoreExporter(options: StoreImageOptions): Exporter {
  const { store, names } = options
  return {
    name: 'store',
    async export(images, job) {
      const content = imageContent(images, options)
      await putContent(unlisted(store), content, job)
      const full = names.map((name) => formatReference(parseReference(name)))
      for (const name of full) await store.tag(content.root, name, job)
      return {
        ...exportedAs(content),
        outputs: full.map((name) => `store ${name}`),
      }
    },
  }
}
