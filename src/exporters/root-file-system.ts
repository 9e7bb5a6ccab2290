import { type FileEntry, formatPlatform, type Job, OssbError } from '../core/index.ts'
import type { Image } from '../oci/index.ts'

/** What an exporter of files, not of layers, needs: the final root file system, unpacked for as long as it is used. */
export interface RootFileSystems {
  use<T>(image: Image, action: (rootfs: string) => Promise<T>, job: Job): Promise<T>
  /** All files of a root in sorted order, each directory before what is in it; extended attributes included. */
  walk(rootfs: string, job: Job): AsyncIterable<FileEntry>
}

export interface FilesOptions {
  readonly roots: RootFileSystems
  /** Whether each platform gets a directory of its own ("linux_arm_v7"); absent is where there are several. */
  readonly platformSplit?: boolean
}

/** A root file system that is to be written. */
export interface RootView {
  readonly image: Image
  readonly rootfs: string
  /** The directory that it goes to, without slashes; empty is none. */
  readonly folder: string
  readonly entries: () => AsyncIterable<FileEntry>
}

/**
 * Shows the root file systems of all images for as long as `action` runs.
 * @throws OssbError ERR_OSSB_OUTPUT when two of them that go to one place have a file of the same name
 */
export async function withRoots<T>(
  images: readonly Image[],
  { roots, platformSplit = images.length > 1 }: FilesOptions,
  action: (views: readonly RootView[]) => Promise<T>,
  job: Job,
): Promise<T> {
  const taken: Taken = new Map()
  const show = async (left: readonly Image[], views: readonly RootView[]): Promise<T> => {
    const [image, ...others] = left
    if (image === undefined) return await action(views)
    const platform = formatPlatform(image.platform)
    return await roots.use(
      image,
      async (rootfs) => {
        const entries = () => {
          const all = roots.walk(rootfs, job)
          return platformSplit ? all : onlyOnce(all, platform, taken)
        }
        const folder = platformSplit ? platform.replaceAll('/', '_') : ''
        return await show(others, [...views, { image, rootfs, folder, entries }])
      },
      job,
    )
  }
  return await show(images, [])
}

/** The platform that each path was first written for. */
type Taken = Map<string, string>

/** Directories are shared; the first one's attributes count. */
async function* onlyOnce(
  entries: AsyncIterable<FileEntry>,
  platform: string,
  taken: Taken,
): AsyncGenerator<FileEntry> {
  for await (const entry of entries) {
    const first = taken.get(entry.path)
    if (first !== undefined && first !== platform && entry.type !== 'directory')
      throw new OssbError(
        'ERR_OSSB_OUTPUT',
        `cannot overwrite /${entry.path} from ${first} with ${platform} when split option is disabled`,
        { hint: 'Leave platform-split=false out, so that each platform gets a directory of its own.' },
      )
    taken.set(entry.path, first ?? platform)
    yield entry
  }
}
