/**
 * The public API of OSSB. Everything below this file is internal.
 */
import type { Job } from './core/index.ts'
import type { CheckReport, Outline, TargetList } from './graph/index.ts'
import type {
  BuildOptions,
  BuildResult,
  BundleOptions,
  GatherResult,
  InspectOptions,
  LockOptions,
} from './options.ts'

export { cacheInfo, cachePrune } from './cache-directory.ts'
export type { BuildEvent, Descriptor, Digest, ErrorCode, Job, SourceRange } from './core/index.ts'
export { formatBytes, OssbError, StepFailedError } from './core/index.ts'
export { doctor, enterNamespace } from './environment.ts'
export type {
  CheckReport,
  CheckWarning,
  Outline,
  OutlineArgument,
  OutlineMount,
  SourceFile,
  Target,
  TargetList,
} from './graph/index.ts'
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

/**
 * Looks for mistakes in a Dockerfile without building it; needs no namespace. Base images are looked at where they can
 * be: the report names those that could not, and what would make a build fail.
 * @throws OssbError when there is no Dockerfile
 */
export async function check(options: InspectOptions, job: Job): Promise<CheckReport> {
  const inspection = await import('./inspect.ts')
  return await inspection.check(options, job)
}

/**
 * What a build of the target takes from outside: arguments, secrets, ssh sockets, caches.
 * @throws OssbError when there is no Dockerfile, or a mistake in it
 */
export async function outline(options: InspectOptions, job: Job): Promise<Outline> {
  const inspection = await import('./inspect.ts')
  return await inspection.outline(options, job)
}

/**
 * The stages of a Dockerfile, as what can be built from it.
 * @throws OssbError when there is no Dockerfile, or a mistake in it
 */
export async function targets(options: InspectOptions): Promise<TargetList> {
  const inspection = await import('./inspect.ts')
  return inspection.targets(options)
}

/**
 * Gathers everything that builds of a target take from elsewhere into one archive, for builds with `inputs` where there
 * is no network. Call it in the process that enterNamespace() starts.
 * @throws OssbError; an archive and a lock file of before are left as they were
 */
export async function bundle(options: BundleOptions, job: Job): Promise<GatherResult> {
  const engine = await import('./bundle.ts')
  return await engine.bundle(options, job)
}

/**
 * Finds out what everything that builds of a target take from elsewhere is now, and writes that to a lock file, for
 * builds with `locked`. Call it in the process that enterNamespace() starts.
 * @throws OssbError; a lock file of before is left as it was
 */
export async function lock(options: LockOptions, job: Job): Promise<GatherResult> {
  const engine = await import('./bundle.ts')
  return await engine.lock(options, job)
}
