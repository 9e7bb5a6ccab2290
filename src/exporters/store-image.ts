import { formatReference, parseReference } from '../core/index.ts'
import type { ImageFormat, Repository } from '../oci/index.ts'
import type { Exporter } from './exporter.ts'
import { imageContent } from './image-content.ts'
import { putContent } from './put-content.ts'

export interface StoreImageOptions {
  readonly store: Repository
  readonly names: readonly string[]
  readonly format: ImageFormat
}

/** Keeps an image in the content store, by its full names. */
export function createStoreExporter({ store, names, format }: StoreImageOptions): Exporter {
  return {
    name: 'store',
    async export(images, job) {
      const content = imageContent(images, format)
      await putContent(store, content, job)
      const full = names.map((name) => formatReference(parseReference(name)))
      for (const name of full) await store.tag(content.root, name, job)
      return {
        descriptor: content.root,
        configDigest: content.configDigest,
        outputs: full.map((name) => `store ${name}`),
      }
    },
  }
}
