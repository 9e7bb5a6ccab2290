import { mkdirSync, statSync } from 'node:fs'
import { fileSystemError, type Job } from './core/index.ts'
import {
  createDefinition,
  createSources,
  type Definition,
  inputOptions,
  namedContexts,
  namesOf,
} from './inputs/index.ts'
import type { InspectOptions } from './options/index.ts'
import {
  type ContextSpec,
  type FoundDockerfile,
  isHttpUrl,
  openInput,
  openSecrets,
  parseContext,
  readDockerfile,
} from './sources/index.ts'

/** Milliseconds without progress after which a download counts as dead. */
const STALL_MS = 15_000

/**
 * Reads what is to be built, from any context that a build takes, without building; needs no namespace. Of a context
 * that is elsewhere nothing is kept but downloads.
 * @throws OssbError for a build file that is not there, and for options that contradict each other
 */
export async function openDefinition(options: InspectOptions, job: Job): Promise<Definition> {
  const context = parseContext(options.context)
  const named = options.dockerfile
  const isHere = context.type === 'directory' && named !== '-' && (named === undefined || !isHttpUrl(named))
  return createDefinition(options, {
    dockerfile: isHere ? readDockerfile(context.path, named) : await bringDockerfile(context, options, job),
    namedContexts: namesOf(namedContexts(options)),
    ...(context.type === 'directory' ? { directory: context.path } : {}),
  })
}

/** A Dockerfile for which something must be downloaded, unpacked or read to its end. */
async function bringDockerfile(
  context: ContextSpec,
  options: InspectOptions,
  job: Job,
): Promise<FoundDockerfile> {
  const [
    { createCodec },
    { loadHelper, openFileSession },
    { createTransport },
    { openWorkspace, storePaths },
  ] = await Promise.all([
    import('./codec/index.ts'),
    import('./native/index.ts'),
    import('./registry/index.ts'),
    import('./store/index.ts'),
  ])
  const { environment, secrets = [] } = options
  const paths = storePaths(options.cacheDir)
  try {
    mkdirSync(paths.root, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw fileSystemError(`make the cache directory "${paths.root}"`, error)
  }
  await using session = openFileSession(loadHelper())
  await using _lock = await session.lock(paths.lock, 'shared', { wait: true }, job)
  await using workspace = await openWorkspace(paths, session, job)
  await using codec = createCodec()
  await using http = createTransport({ ...options, insecureRegistries: [], stallMs: STALL_MS })
  const parts = { codec, session, workspace, paths, http, secrets: openSecrets(secrets, environment) }
  const { uid, gid } = statSync('/proc/self')
  const sources = createSources(options, parts, { uid, gid })
  const { dockerfile } = await openInput(inputOptions(options, context), sources, job)
  return dockerfile
}
