/**
 * Root file systems and what changed in them: one `Snapshotter` by overlayfs, one by copies, which tell the same
 * changes. Knows layers, and nothing of steps, processes or caches.
 */
export { chainIdOf } from './chain-id.ts'
export { type SnapshotContext, unpackLayer } from './context.ts'
export { createCopySnapshotter } from './copy-snapshotter.ts'
export { copyTree } from './copy-tree.ts'
export { createOverlaySnapshotter } from './overlay-snapshotter.ts'
export * from './snapshot.ts'
