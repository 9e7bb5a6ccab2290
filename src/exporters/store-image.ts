import { formatReference, type Job, parseReference } from '../core/index.ts'
import type { Layer, Repository } from '../oci/index.ts'
import { type Exporter, exportedAs } from './exporter.ts'
import { type ContentOptions, imageContent } from './image-content.ts'
import { putContent, unlisted } from './put-content.ts'

export interface StoreImageOptions extends ContentOptions {
  readonly store: Repository
  readonly names: readonly string[]
  /**
   * Keep only images whose layers are here: for one that is pushed as well, none is brought here just to be kept. Absent
   * is false.
   */
  readonly onlyWhole?: boolean
}

/** Keeps an image in the content store, by its full names. */
export function createStoreExporter(options: StoreImageOptions): Exporter {
  const { store, names, onlyWhole } = options
  return {
    name: 'store',
    async export(images, job) {
      const content = imageContent(images, options)
      if (onlyWhole === true && !(await areHere(store, content.layers, job)))
        return { ...exportedAs(content), outputs: [] }
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

async function areHere(store: Repository, layers: readonly Layer[], job: Job): Promise<boolean> {
  const here = await Promise.all(layers.map(({ descriptor }) => store.has(descriptor, job)))
  return here.every((isHere) => isHere)
}
