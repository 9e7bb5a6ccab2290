/**
 * The public API of OSSB. Everything below this file is internal.
 */

export type { BuildEvent, Descriptor, Digest, ErrorCode, Job, SourceRange } from './core/index.ts'
export { formatBytes, OssbError, StepFailedError } from './core/index.ts'
export type * from './options.ts'
