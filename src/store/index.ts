/**
 * Content at rest: an OCI layout on disk, behind the `Repository` contract of oci/, and the names of everything in a
 * cache directory. Knows no network, no step and no snapshot.
 */
export * from './oci-archive.ts'
export { createOciLayout, readLayoutIndex } from './oci-layout.ts'
export * from './paths.ts'
export * from './workspace.ts'
