import type { Change, Job } from '../core/index.ts'
import type { Layer } from '../oci/index.ts'

/** A root file system to read. Disposing takes away what was set up to show it. */
export interface RootView extends AsyncDisposable {
  readonly rootfs: string
}

/** A root file system to change: what is changed in it is known afterwards, and nothing below it is touched. */
export interface WorkingRoot extends RootView {
  /**
   * What differs from the layers that it was made of, in the order of a sorted walk. A file counts as changed when its
   * type, mode, owner, size, modification time (but that of a directory), link target, device, capability or content
   * differ. Directories that lead to no change have the time of the layers when all changes were read.
   */
  changes(job: Job): AsyncIterable<Change>
  /** Keeps it as the snapshot of its layers and this one more. It can't be used any more. */
  commit(layer: Layer, job: Job): Promise<void>
}

/** A state that is kept, and what its topmost layer changed, told as it was when that was made. */
export interface KeptState extends RootView {
  changes(job: Job): AsyncIterable<Change>
}

/**
 * Root file systems by the layers that they consist of. A state that was unpacked once is kept, is never changed, and
 * serves every step that builds on it.
 */
export interface Snapshotter {
  readonly name: 'overlay' | 'copy'
  view(layers: readonly Layer[], job: Job): Promise<RootView>
  prepare(layers: readonly Layer[], job: Job): Promise<WorkingRoot>
  /** Whether what a stack's topmost layer changed can be told again; absent where it never can. */
  keeps?(layers: readonly Layer[]): boolean
  /** The state of a stack that it keeps. */
  reopen?(layers: readonly Layer[], job: Job): Promise<KeptState>
}
