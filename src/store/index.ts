/**
 * Content at rest: an OCI layout on disk, behind the `Repository` contract of oci/, and the names of everything in a
 * cache directory. Knows no network, no step and no snapshot.
 */
export { type ArchiveFiles, createArchiveLayout } from './archive-layout.ts'
export { createDockerArchive } from './docker-archive.ts'
export { createIndexLock, type IndexLock, withoutLock } from './index-lock.ts'
export { REF_NAME } from './layout-content.ts'
export * from './oci-layout.ts'
export * from './paths.ts'
export * from './workspace.ts'
