import { type Descriptor, type ImageLocation, type Job, OssbError } from '../core/index.ts'
import type { Repository } from '../oci/index.ts'
import type { CopyImageOptions } from '../options/index.ts'
import type { ContentList } from '../registry/index.ts'
import type { Places } from './source.ts'

/** Where an image goes: content first, and its names, which make it visible, last. */
export interface OpenDestination extends AsyncDisposable {
  readonly repository: Pick<Repository, 'has' | 'open' | 'put'>
  /** Gives the image all its names. @returns them as they can be used again */
  name(root: Descriptor, job: Job): Promise<readonly string[]>
}

/** What an archive has to know before its first byte is written. */
export interface PlannedContent extends ContentList {
  /** The manifest that is the image for programs that know no index. */
  readonly mainManifest: Descriptor
}

export interface DestinationParts {
  readonly location: ImageLocation
  readonly options: Pick<CopyImageOptions, 'tags' | 'cacheDir'>
  readonly places: Places
  /** A repository ("registry/repository") that is known to have a blob. */
  readonly mountFrom: (blob: Descriptor) => string | undefined
  /** Read only where the destination needs it. */
  readonly plan: () => Promise<PlannedContent>
}

/** A digest says what something is, and so is given to nothing. */
export function notAName(text: string): OssbError {
  return new OssbError(
    'ERR_OSSB_USAGE',
    `Cannot copy to "${text}": a digest is not a name that can be given`,
    {
      hint: 'Use a tag, or no suffix at all.',
    },
  )
}
