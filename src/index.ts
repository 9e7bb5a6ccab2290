/**
 * The public API of OSSB. Everything below this file is internal.
 */
export { build } from './build.ts'
export { cacheInfo, cachePrune } from './cache-directory.ts'
export type { BuildEvent, Descriptor, Digest, ErrorCode, Job, SourceRange } from './core/index.ts'
export { formatBytes, OssbError, StepFailedError } from './core/index.ts'
export { doctor, enterNamespace } from './environment.ts'
export type * from './options.ts'
