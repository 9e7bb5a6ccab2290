/**
 * Carries out a graph: each operation by the runner of its kind, each result remembered by key. Knows operations,
 * snapshots and layers; no Dockerfile, no destination and no command line.
 */
export { checkEntitlements, type Entitlement } from './entitlements.ts'
export * from './explain.ts'
export * from './finish-image.ts'
export * from './image-provider.ts'
export { createExecRunner } from './ops/exec-op.ts'
export { createFileRunner } from './ops/file-op.ts'
export * from './solver.ts'
export { stateLayer } from './state-layer.ts'
export * from './squash-layers.ts'
