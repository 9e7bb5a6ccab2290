/**
 * How a process runs in a root file system: one interface, one implementation for each rung of isolation, and how the
 * builder itself enters the namespaces that they need. Knows no Dockerfile, no image and no cache.
 */
export * from './assess.ts'
export * from './chroot-executor.ts'
export { createEmulation, type Emulation } from './emulation.ts'
export * from './enter-namespace.ts'
export * from './executor.ts'
export { requireRuntime } from './find-runtime.ts'
export { createNamespaceExecutor } from './namespace-executor.ts'
export * from './oci-runtime.ts'
export { type RungFinding, rungOf } from './rungs.ts'
export * from './traced-executor.ts'
