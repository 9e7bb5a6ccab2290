import type { Job } from '../core/index.ts'
import type { SourceTree } from '../fs/index.ts'
import type { Layer } from '../oci/index.ts'
import type { Snapshotter } from '../snapshot/index.ts'

/** What a vertex gives to those that need it: a root file system as layers, or a tree of files on this machine. */
export type Result =
  | { readonly type: 'layers'; readonly layers: readonly Layer[] }
  | { readonly type: 'tree'; readonly tree: SourceTree }

/** Shows a result as a tree for as long as `use` runs. */
export async function withTree<T>(
  result: Result,
  snapshotter: Snapshotter,
  use: (tree: SourceTree) => Promise<T>,
  job: Job,
): Promise<T> {
  if (result.type === 'tree') return await use(result.tree)
  await using view = await snapshotter.view(result.layers, job)
  return await use({ root: view.rootfs })
}

export function layersOf(result: Result | undefined): readonly Layer[] {
  return result?.type === 'layers' ? result.layers : []
}
