import { type FileEntry, type Job, OssbError } from '../core/index.ts'
import type { Image } from '../oci/index.ts'

/** What an exporter of files, not of layers, needs: the final root file system, unpacked for as long as it is used. */
export interface RootFileSystems {
  use<T>(image: Image, action: (rootfs: string) => Promise<T>, job: Job): Promise<T>
  /** All files of a root in sorted order, each directory before what is in it; extended attributes included. */
  walk(rootfs: string, job: Job): AsyncIterable<FileEntry>
}

/** @throws OssbError ERR_OSSB_USAGE for several images, whose files would lie over each other */
export function onlyImage(images: readonly Image[], output: string): Image {
  const [image] = images
  if (image !== undefined && images.length === 1) return image
  throw new OssbError('ERR_OSSB_USAGE', `Cannot write ${images.length} images to one ${output}`, {
    hint: 'Build one platform, or use --output type=oci.',
  })
}
