/**
 * The public API of OSSB. Everything below this file is internal.
 */
import type { Job } from './core/index.ts'
import type { CheckReport, Outline, TargetList } from './graph/index.ts'
import type {
  BuildOptions,
  BuildResult,
  BundleOptions,
  CacheInfo,
  CachePruneOptions,
  CachePruneResult,
  CacheVerifyResult,
  CopyImageOptions,
  CopyImageResult,
  CreateIndexOptions,
  CreateIndexResult,
  DoctorReport,
  EnvironmentOptions,
  GatherResult,
  ImageInspection,
  InspectImageOptions,
  InspectOptions,
  LockOptions,
  LoginOptions,
  LoginResult,
  LogoutOptions,
  LogoutResult,
  PutTextOptions,
  WarmImageOptions,
  WarmImageResult,
} from './options/index.ts'

export type { BuildEvent, Descriptor, Digest, ErrorCode, Job, SourceRange } from './core/index.ts'
export { formatBytes, OssbError, StepFailedError } from './core/index.ts'
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
export type * from './options/index.ts'

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
export async function targets(options: InspectOptions, job: Job): Promise<TargetList> {
  const inspection = await import('./inspect.ts')
  return await inspection.targets(options, job)
}

/**
 * Finds out whether a registry takes a user name and password, and keeps them where Docker would, for this builder and
 * others: with a credential helper, or in a file that only the user may read. Needs no namespace.
 * @throws OssbError ERR_OSSB_UNAUTHORIZED when the registry refuses; nothing is kept then
 */
export async function login(options: LoginOptions, job: Job): Promise<LoginResult> {
  const registry = await import('./registry/index.ts')
  return await registry.login(options, job)
}

/** Removes what a login has kept. Needs no namespace. */
export async function logout(options: LogoutOptions, job: Job): Promise<LogoutResult> {
  const registry = await import('./registry/index.ts')
  return await registry.logout(options, job)
}

/**
 * Copies an image between registries, OCI layouts, archives and the cache; needs no namespace.
 * @throws OssbError; the destination is then as it was, but for content that no name leads to
 */
export async function copyImage(options: CopyImageOptions, job: Job): Promise<CopyImageResult> {
  const engine = await import('./images/index.ts')
  return await engine.copyImage(options, job)
}

/**
 * Brings a base image to a directory, for builds with `baseImages`; needs no namespace.
 * @throws OssbError; nothing is in the directory then
 */
export async function warmImage(options: WarmImageOptions, job: Job): Promise<WarmImageResult> {
  const engine = await import('./images/index.ts')
  return await engine.warmImage(options, job)
}

/** What an image, or an index of images, is made of; needs no namespace. @throws OssbError */
export async function inspectImage(options: InspectImageOptions, job: Job): Promise<ImageInspection> {
  const engine = await import('./images/index.ts')
  return await engine.inspectImage(options, job)
}

/**
 * Joins images for several platforms into one index, and brings it and them to one place.
 * @throws OssbError; two images for one platform are an error unless the last is to count
 */
export async function createIndex(options: CreateIndexOptions, job: Job): Promise<CreateIndexResult> {
  const engine = await import('./images/index.ts')
  return await engine.createIndex(options, job)
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

/**
 * Puts a text where a URL says (RFC 9110 9.3.4), as `text/plain`; needs no namespace.
 * @throws OssbError ERR_OSSB_NETWORK when the server refuses it
 */
export async function putText(options: PutTextOptions, job: Job): Promise<void> {
  const { putText: put } = await import('./put-text.ts')
  await put(options, job)
}

/** What a cache directory holds. */
export async function cacheInfo(cacheDir: string, job: Job): Promise<CacheInfo> {
  const directory = await import('./cache-directory.ts')
  return await directory.cacheInfo(cacheDir, job)
}

/**
 * Empties a cache directory, but for images that were kept by name; with `all` of those too; or removes what is chosen.
 * @throws OssbError ERR_OSSB_CACHE while a build uses it
 */
export async function cachePrune(options: CachePruneOptions, job: Job): Promise<CachePruneResult> {
  const directory = await import('./cache-directory.ts')
  return await directory.cachePrune(options, job)
}

/** Reads everything that a cache directory holds; what is damaged is removed. Builds may go on meanwhile. */
export async function cacheVerify(cacheDir: string, job: Job): Promise<CacheVerifyResult> {
  const directory = await import('./cache-directory.ts')
  return await directory.cacheVerify(cacheDir, job)
}

/** Says what this environment allows, which executor a build takes, why, and what would give a better one. */
export async function doctor(options: EnvironmentOptions, job: Job): Promise<DoctorReport> {
  const environment = await import('./environment.ts')
  return await environment.doctor(options, job)
}

/**
 * Runs `command` (the caller's own command line) inside the namespaces that a build needs, and answers its exit status;
 * undefined when this process is inside already, and may go on. What was mounted inside ends with it.
 * @throws OssbError ERR_OSSB_EXECUTOR that says which call or file refused, and what would help
 */
export async function enterNamespace(
  options: EnvironmentOptions & { readonly command: readonly string[] },
  job: Job,
): Promise<number | undefined> {
  const environment = await import('./environment.ts')
  return await environment.enterNamespace(options, job)
}
