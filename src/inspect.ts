import { mkdirSync } from 'node:fs'
import { fileSystemError, type Job, OssbError } from './core/index.ts'
import type { CheckReport, ConfigResolver, Outline, TargetList } from './graph/index.ts'
import { openDefinition } from './inspection-input.ts'
import type { InspectOptions } from './options/index.ts'

/** Base images that do not answer in this time are left out of the checks. */
const PATIENCE_MS = 10_000
const STALL_MS = 5_000

/**
 * Looks for mistakes in a build file without building it. Base images are looked at where they can be; the report says
 * which could not, and what would make a build fail.
 * @throws OssbError when there is no build file
 */
export async function check(options: InspectOptions, job: Job): Promise<CheckReport> {
  const { frontend, input } = await openDefinition(options, job)
  await using images = openImages(options)
  return await frontend.check(input, images.resolve, job)
}

/** What a build of the target takes from outside: arguments, secrets, ssh sockets, caches. */
export async function outline(options: InspectOptions, job: Job): Promise<Outline> {
  const { frontend, input } = await openDefinition(options, job)
  return await frontend.outline(input, job)
}

/** What can be built from a build file. */
export async function targets(options: InspectOptions, job: Job): Promise<TargetList> {
  const { frontend, input } = await openDefinition(options, job)
  return frontend.targets(input)
}

/** Finds base images; everything for that is loaded and opened when the first one is asked for. */
function openImages(options: InspectOptions): AsyncDisposable & { readonly resolve: ConfigResolver } {
  const deadline = new AbortController()
  let timer: NodeJS.Timeout | undefined
  let opened: ReturnType<typeof openProvider> | undefined
  return {
    async resolve(reference, platform, job) {
      timer ??= setTimeout(() => deadline.abort(tooLate()), PATIENCE_MS)
      opened ??= openProvider(options, job)
      const { images } = await opened
      const signal = AbortSignal.any([job.signal, deadline.signal])
      return await images.resolve(reference, platform, { signal, emit: () => undefined })
    },
    async [Symbol.asyncDispose]() {
      clearTimeout(timer)
      const provider = await opened?.catch(() => undefined)
      await provider?.registry[Symbol.asyncDispose]()
      await provider?.archives[Symbol.asyncDispose]()
    },
  }
}

function tooLate(): OssbError {
  return new OssbError('ERR_OSSB_NETWORK', `no answer in ${PATIENCE_MS / 1000} seconds`)
}

async function openProvider(options: InspectOptions, job: Job) {
  const [
    { createRegistryClient },
    { createImageProvider },
    { createOciLayout, storePaths },
    { createArchives },
    { localImages, openInputArchive },
  ] = await Promise.all([
    import('./registry/index.ts'),
    import('./solver/index.ts'),
    import('./store/index.ts'),
    import('./images/index.ts'),
    import('./inputs/index.ts'),
  ])
  const { root } = storePaths(options.cacheDir)
  try {
    mkdirSync(root, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw fileSystemError(`make the cache directory "${root}"`, error)
  }
  const archives = createArchives()
  const registry = createRegistryClient({ ...options, stallMs: STALL_MS })
  const store = createOciLayout(root)
  const archive = options.inputs === undefined ? undefined : await openInputArchive(options.inputs, job)
  const repository = (reference: Parameters<typeof registry.repository>[0]) => registry.repository(reference)
  const images = createImageProvider({
    store,
    repository,
    archive: (type, path, opener) => archives.open(type, path, opener),
    local: localImages(archive, store, options),
  })
  return { registry, archives, images }
}
