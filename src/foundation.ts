import { chmodSync, mkdirSync } from 'node:fs'
import { removeUnfinished } from './cache/index.ts'
import { type Codec, createCodec } from './codec/index.ts'
import { fileSystemError, type Job } from './core/index.ts'
import { NAMESPACE_VARIABLE } from './executors/index.ts'
import { createArchives } from './images/index.ts'
import { baseImages, type InputArchive, localImages, openInputArchive } from './inputs/index.ts'
import { createHolding } from './io/index.ts'
import { type FileSession, loadHelper, type NativeHelper, openFileSession } from './native/index.ts'
import type { ContentStore } from './oci/index.ts'
import type { BuildOptions, RegistryAccess } from './options/index.ts'
import {
  createRegistryClient,
  createTransport,
  type RegistryClient,
  type Transport,
} from './registry/index.ts'
import { createImageProvider, type ImageProvider } from './solver/index.ts'
import { openSecrets, type Secrets } from './sources/index.ts'
import {
  createIndexLock,
  createOciLayout,
  openWorkspace,
  type StorePaths,
  storePaths,
  type Workspace,
} from './store/index.ts'

/** Milliseconds without progress after which a download counts as dead. */
const STALL_MS = 60_000

/** What brings inputs to a cache directory; released at the end. */
export interface Foundation extends AsyncDisposable {
  readonly paths: StorePaths
  readonly store: ContentStore
  readonly helper: NativeHelper
  readonly session: FileSession
  readonly codec: Codec
  readonly workspace: Workspace
  readonly registry: RegistryClient
  /** For what is downloaded from anywhere else. */
  readonly http: Transport
  readonly images: ImageProvider
  readonly secrets: Secrets
  /** What was gathered before. */
  readonly archive?: InputArchive
}

export type FoundationOptions = RegistryAccess &
  Pick<BuildOptions, 'cacheDir' | 'secrets' | 'inputs' | 'chunkBytes' | 'baseImages'>

export async function openFoundation(options: FoundationOptions, job: Job): Promise<Foundation> {
  const paths = storePaths(options.cacheDir)
  await using holding = createHolding()
  const secrets = openSecrets(options.secrets ?? [], options.environment)
  const archive =
    options.inputs === undefined ? undefined : holding.hold(await openInputArchive(options.inputs, job))
  createCacheDirectory(paths)
  const helper = helperFor(options.environment)
  const session = holding.hold(openFileSession(helper))
  await tidy(paths, session, job)
  const store = createOciLayout(paths.root, createIndexLock(session, `${paths.index}.lock`))
  const lock = await session.lock(paths.lock, 'shared', { wait: true }, job)
  if (lock !== undefined) holding.hold(lock)
  const workspace = holding.hold(await openWorkspace(paths, session, job))
  const codec = holding.hold(createCodec())
  const registry = holding.hold(createRegistryClient(options))
  const http = holding.hold(createTransport({ ...options, insecureRegistries: [], stallMs: STALL_MS }))
  const archives = holding.hold(createArchives())
  const images = createImageProvider({
    store,
    repository: (reference) => registry.repository(reference),
    archive: (type, path, opener) => archives.open(type, path, opener),
    local: localImages(archive, store, options),
    ...(options.baseImages === undefined ? {} : { warmed: baseImages(options.baseImages) }),
  })
  return {
    paths,
    store,
    helper,
    session,
    codec,
    workspace,
    registry,
    http,
    images,
    secrets,
    ...(archive === undefined ? {} : { archive }),
    [Symbol.asyncDispose]: holding.handOver(),
  }
}

/** A process that entered no namespace is root of nothing. */
function helperFor(environment: FoundationOptions['environment']): NativeHelper {
  const helper = loadHelper()
  return environment[NAMESPACE_VARIABLE] === 'traced' ? { ...helper, recordsModes: true } : helper
}

/** What killed builds left half written goes when nobody else is here. */
async function tidy(paths: StorePaths, session: FileSession, job: Job): Promise<void> {
  await using alone = await session.lock(paths.lock, 'exclusive', { wait: false }, job)
  if (alone !== undefined) removeUnfinished(paths)
}

function createCacheDirectory(paths: StorePaths): void {
  try {
    mkdirSync(paths.root, { recursive: true, mode: 0o700 })
    // Set-user-ID programs and device nodes of images lie in these: nobody else may reach them, whose directory it ever is.
    for (const path of [paths.snapshots, paths.mounts, paths.work]) {
      mkdirSync(path, { recursive: true, mode: 0o700 })
      chmodSync(path, 0o700)
    }
  } catch (error) {
    throw fileSystemError(`make the cache directory "${paths.root}"`, error)
  }
}
