/**
 * The public API of OSSB. Everything below this file is internal.
 */
import type { Job } from './core/index.ts'
import type { BuildOptions, BuildResult } from './options.ts'

export { cacheInfo, cachePrune } from './cache-directory.ts'
export type { BuildEvent, Descriptor, Digest, ErrorCode, Job, SourceRange } from './core/index.ts'
export { formatBytes, OssbError, StepFailedError } from './core/index.ts'
export { doctor, enterNamespace } from './environment.ts'
export type * from './options.ts'

/**
 * Builds an image and brings it to its outputs. Call it in the process that enterNamespace() starts.
 * @throws OssbError; StepFailedError with the status of a RUN that failed. Outputs and cache are as they were before.
 */
export async function build(options: BuildOptions, job: Job): Promise<BuildResult> {
  // Loaded when it is needed: asking for help must not wait for the whole builder.
  const engine = await import('./build.ts')
  return await engine.build(options, job)
}
