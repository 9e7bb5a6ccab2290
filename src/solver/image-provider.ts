import { isAbsolute } from 'node:path'
import {
  type Descriptor,
  type Digest,
  digestOf,
  type ErrorCode,
  formatPlatform,
  type ImageFileType,
  type ImageLocation,
  isIndexType,
  type Job,
  jobOf,
  OssbError,
  type Platform,
  parseImageLocation,
  parseReference,
  type Reference,
} from '../core/index.ts'
import type { ConfigResolver, ImageOp, ResolvedImage } from '../graph/index.ts'
import { createSemaphore, readAll } from '../io/index.ts'
import {
  type BlobSource,
  type ContentStore,
  type ImageSource,
  type Layer,
  MAX_DOCUMENT_BYTES,
  parseImageConfig,
  parseIndex,
  parseManifest,
  type Repository,
} from '../oci/index.ts'
import { resolveForPlatform } from '../registry/index.ts'
import { createOciLayout } from '../store/index.ts'
import { createContentFetcher } from './fetch-content.ts'
import { findLocal, firstWhole, type LocalImage } from './local-images.ts'
import type { LayerProvider } from './op-runner.ts'

/** A repository of a registry, and of a reference the tag and digest, too: mirrors may be for some of them only. */
type RepositoryName = Pick<Reference, 'registry' | 'repository'> & Partial<Pick<Reference, 'tag' | 'digest'>>

export interface ImageProviderOptions {
  readonly store: ContentStore
  /** The repository of a registry that a reference names. */
  readonly repository: (reference: RepositoryName) => Repository
  /** The images of an archive, which stays open for as long as this is used. */
  readonly archive: (type: ArchiveType, path: string, job: Job) => Promise<ImageSource>
  /** Where images are looked for before a registry is asked: see findLocal(). */
  readonly local?: readonly ImageSource[]
  /** What a registry says of an image counts, but the image itself is taken from here, and all of it when no registry can be reached. */
  readonly warmed?: readonly ImageSource[]
}

type FileLocation = Extract<ImageLocation, { readonly type: ImageFileType }>
type ArchiveType = Exclude<ImageFileType, 'oci'>

export interface ImageProvider extends LayerProvider {
  readonly resolve: ConfigResolver
  /** Brings a layer to the store from where it came: "registry/repository". */
  readonly fetchRemote: (descriptor: Descriptor, origin: string, job: Job) => Promise<void>
  /** The same from a place that is at hand. */
  readonly fetchFrom: (descriptor: Descriptor, source: BlobSource, job: Job) => Promise<void>
  /** Brings a whole image to the store, with the index that leads to it; answers what of it is there now. */
  readonly pull: (op: ImageOp, job: Job) => Promise<PulledImage>
}

/** Content of the store. */
export interface PulledImage {
  /** What the reference stands for. */
  readonly root: Descriptor
  readonly manifest: Descriptor
  /** Each part once: indexes, the manifest, the config and the layers. */
  readonly content: readonly Descriptor[]
}

/** What says nothing of an image, but only that nobody could be asked. */
const UNREACHABLE: ReadonlySet<ErrorCode> = new Set(['ERR_OSSB_NETWORK', 'ERR_OSSB_OFFLINE'])

/** How many layers are downloaded at once. */
const DOWNLOADS = 4

/** Where a base image is: a repository, the name in it, and for a registry what other registries may know it by. */
interface Location {
  readonly repository: ImageSource
  readonly name: string
  readonly origin?: string
}

/** Base images from registries, OCI layouts and archives: everything that is read is verified, and kept in the store. */
export function createImageProvider({
  store,
  repository,
  archive,
  local = [],
  warmed = [],
}: ImageProviderOptions): ImageProvider {
  const resolved = new Map<string, Promise<ResolvedImage>>()
  const downloads = createSemaphore(DOWNLOADS)
  const contents = createContentFetcher(store)

  const locate = async (reference: string, job: Job): Promise<Location> => {
    const file = parseFileLocation(reference)
    if (file?.type === 'oci') return { repository: createOciLayout(file.path), name: file.name }
    if (file !== undefined) return { repository: await archive(file.type, file.path, job), name: file.name }
    const parsed = parseReference(reference)
    const name = parsed.digest ?? parsed.tag ?? 'latest'
    return { repository: repository(parsed), name, origin: `${parsed.registry}/${parsed.repository}` }
  }

  const fetchDocument = async (
    descriptor: Descriptor,
    source: BlobSource,
    what: string,
    job: Job,
  ): Promise<Buffer> => {
    if (descriptor.size > MAX_DOCUMENT_BYTES)
      throw new OssbError(
        'ERR_OSSB_IMAGE_INVALID',
        `Cannot read ${what}: it is larger than ${MAX_DOCUMENT_BYTES} bytes`,
      )
    await contents.fetch(descriptor, source, job)
    return await readAll(await store.open(descriptor, job), MAX_DOCUMENT_BYTES, what)
  }

  const find = async (reference: string, platform: Platform, job: Job): Promise<LocalImage> => {
    const isFile = parseFileLocation(reference) !== undefined
    const here = isFile ? undefined : await findLocal(local, parseReference(reference), platform, job)
    if (here !== undefined) return here
    const { repository: source, name } = await locate(reference, job)
    try {
      return { repository: source, ...(await resolveForPlatform(source, { name, reference }, platform, job)) }
    } catch (error) {
      const isAway = error instanceof OssbError && UNREACHABLE.has(error.code)
      const known =
        isAway && !isFile ? await findLocal(warmed, parseReference(reference), platform, job) : undefined
      if (known === undefined) throw error
      return known
    }
  }

  const sourceOf = async ({ reference, manifest }: ImageOp, job: Job) => {
    const away = await locate(reference, job)
    const here = await firstWhole([...local, ...warmed], manifest, job)
    return { ...away, repository: here ?? away.repository }
  }

  const resolveFor = async (reference: string, platform: Platform, job: Job): Promise<ResolvedImage> => {
    const { repository: source, manifest, root } = await find(reference, platform, job)
    const { config: about } = parseManifest(
      await fetchDocument(manifest, source, `the manifest of "${reference}"`, job),
      `the manifest of "${reference}"`,
    )
    const config = parseImageConfig(
      await fetchDocument(about, source, `the config of "${reference}"`, job),
      `the config of "${reference}"`,
    )
    return {
      manifest: { mediaType: manifest.mediaType, digest: manifest.digest, size: manifest.size },
      config,
      root,
    }
  }

  const resolve: ConfigResolver = (reference, platform, job) => {
    const key = `${reference} ${formatPlatform(platform)}`
    const known =
      resolved.get(key) ??
      reported(job, `[internal] load metadata for ${reference}`, (own) =>
        resolveFor(reference, platform, own),
      )
    resolved.set(key, known)
    return known
  }

  const layers = async (op: ImageOp, job: Job): Promise<readonly Layer[]> => {
    const { repository: source, origin } = await sourceOf(op, job)
    const manifest = parseManifest(
      await fetchDocument(op.manifest, source, `the manifest of "${op.reference}"`, job),
      `the manifest of "${op.reference}"`,
    )
    const config = parseImageConfig(
      await fetchDocument(manifest.config, source, `the config of "${op.reference}"`, job),
      `the config of "${op.reference}"`,
    )
    if (config.rootfs.diff_ids.length !== manifest.layers.length) {
      throw new OssbError(
        'ERR_OSSB_IMAGE_INVALID',
        `Cannot use "${op.reference}": its manifest has ${manifest.layers.length} layers, its config ${config.rootfs.diff_ids.length}`,
      )
    }
    return manifest.layers.map((descriptor, i) =>
      layerOf(descriptor, config.rootfs.diff_ids[i] as Digest, source, origin),
    )
  }

  const layerOf = (
    descriptor: Descriptor,
    diffId: Digest,
    source: BlobSource,
    origin: string | undefined,
  ): Layer => {
    const fetch = (job: Job) => fetchFrom(descriptor, source, job)
    return {
      diffId,
      descriptor,
      ...(origin === undefined ? {} : { origin }),
      fetch,
      follow: (job) => contents.follow(descriptor, source, job),
      open: async (job) => {
        await fetch(job)
        return await store.open(descriptor, job)
      },
    }
  }

  const fetchFrom = (descriptor: Descriptor, source: BlobSource, job: Job): Promise<void> =>
    downloads.run(() => contents.fetch(descriptor, source, job), job.signal)

  const fetchRemote = async (descriptor: Descriptor, origin: string, job: Job): Promise<void> => {
    for (const here of [...local, ...warmed])
      if (await here.has(descriptor, job)) return fetchFrom(descriptor, here, job)
    const slash = origin.indexOf('/')
    const source = repository({ registry: origin.slice(0, slash), repository: origin.slice(slash + 1) })
    return fetchFrom(descriptor, source, job)
  }

  const pull = async (op: ImageOp, job: Job): Promise<PulledImage> => {
    const { repository: source, manifest, root } = await find(op.reference, op.platform, job)
    if (manifest.digest !== op.manifest.digest)
      throw new OssbError('ERR_OSSB_INTEGRITY', `Cannot pull "${op.reference}": it changed in the meantime`, {
        hint: 'Try again.',
      })
    const indexes = await fetchIndexes(root, source, op.reference, job)
    const parts = await layers(op, job)
    await Promise.all(parts.map(async (layer) => await layer.fetch?.(job)))
    const what = `the manifest of "${op.reference}"`
    const { config } = parseManifest(await fetchDocument(op.manifest, source, what, job), what)
    return {
      root,
      manifest: op.manifest,
      content: [...indexes, op.manifest, config, ...parts.map(({ descriptor }) => descriptor)],
    }
  }

  /** An index with the indexes in it: only together they show what was chosen from. */
  const fetchIndexes = async (
    root: Descriptor,
    source: BlobSource,
    reference: string,
    job: Job,
  ): Promise<readonly Descriptor[]> => {
    if (!isIndexType(root.mediaType)) return []
    const what = `an index of "${reference}"`
    const { manifests } = parseIndex(await fetchDocument(root, source, what, job), what)
    const nested = await Promise.all(manifests.map((entry) => fetchIndexes(entry, source, reference, job)))
    return [root, ...nested.flat()]
  }

  return { resolve, layers, fetchRemote, fetchFrom, pull }
}

/** `oci-layout://DIRECTORY[:NAME|@DIGEST]` (or `oci:`), `oci-archive://FILE…`, `docker-archive://FILE…`; undefined for others. */
function parseFileLocation(reference: string): FileLocation | undefined {
  if (!/^(?:oci|oci-layout|oci-archive|docker-archive):/.test(reference)) return undefined
  const location = parseImageLocation(reference)
  if (location.type === 'registry' || location.type === 'cache') return undefined
  if (isAbsolute(location.path)) return location
  const what = location.type === 'oci' ? 'the directory of an OCI layout' : 'the path of an archive'
  throw new OssbError(
    'ERR_OSSB_REFERENCE_INVALID',
    `Cannot use "${reference}" as a base image: ${what} must be absolute`,
    {
      hint: `Write FROM ${location.type === 'oci' ? 'oci-layout:///path/to/layout' : `${location.type}:///path/to/image.tar`}:tag.`,
    },
  )
}

/** Work that no vertex stands for, shown as a step of its own. */
async function reported<T>(job: Job, name: string, work: (own: Job) => Promise<T>): Promise<T> {
  const own = jobOf(job, digestOf(name))
  own.emit({ type: 'started', name })
  try {
    const result = await work(own)
    own.emit({ type: 'completed', name })
    return result
  } catch (error) {
    own.emit({ type: 'completed', name, error: error instanceof Error ? error.message : String(error) })
    throw error
  }
}
