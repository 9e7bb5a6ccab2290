/**
 * Where finished images go: registries, OCI layouts, archives, tars and directories, behind one interface, `Exporter`.
 * Gets images and root file systems handed in; knows no solver, no frontend and no command line.
 */
export * from './archive-file.ts'
export { blobArchive } from './blob-archive.ts'
export * from './docker-archive.ts'
export * from './exporter.ts'
export * from './forerunner.ts'
export * from './flat-archive.ts'
export { type ContentOptions, checkAnnotations } from './image-content.ts'
export { layoutEntries, serializeLayoutIndex } from './layout-index.ts'
export * from './local-dir.ts'
export * from './many.ts'
export * from './oci-archive.ts'
export * from './oci-layout.ts'
export { describeTarget, type OutputTarget, writeOutput } from './output-file.ts'
export * from './registry-push.ts'
export type { RootFileSystems } from './root-file-system.ts'
export * from './rootfs-tar.ts'
export * from './store-image.ts'
