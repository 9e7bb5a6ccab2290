import { isAbsolute } from 'node:path'
import {
  type Descriptor,
  type Digest,
  digestOf,
  formatPlatform,
  isIndexType,
  type Job,
  jobOf,
  OssbError,
  type Platform,
  parseReference,
} from '../core/index.ts'
import type { ConfigResolver, ImageOp, ResolvedImage } from '../graph/index.ts'
import { createSemaphore, readAll } from '../io/index.ts'
import {
  type BlobSource,
  type ContentStore,
  type Layer,
  MAX_DOCUMENT_BYTES,
  parseImageConfig,
  parseIndex,
  parseManifest,
  type Repository,
} from '../oci/index.ts'
import { copyBlob, resolveForPlatform } from '../registry/index.ts'
import { createOciLayout } from '../store/index.ts'
import { findLocal, firstWhole, type LocalImage } from './local-images.ts'
import type { LayerProvider } from './op-runner.ts'

export interface ImageProviderOptions {
  readonly store: ContentStore
  /** The repository of a registry that a reference names. */
  readonly repository: (reference: { readonly registry: string; readonly repository: string }) => Repository
  /** Where images are looked for before a registry is asked: see findLocal(). */
  readonly local?: readonly Repository[]
}

export interface ImageProvider extends LayerProvider {
  readonly resolve: ConfigResolver
  /** Brings a layer to the store from where it came: "registry/repository". */
  readonly fetchRemote: (descriptor: Descriptor, origin: string, job: Job) => Promise<void>
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

/** How many layers are downloaded at once. */
const DOWNLOADS = 4

/** Where a base image is: a repository, the name in it, and for a registry what other registries may know it by. */
interface Location {
  readonly repository: Repository
  readonly name: string
  readonly origin?: string
}

/** Base images from registries and OCI layouts: everything that is read is verified, and kept in the store. */
export function createImageProvider({ store, repository, local = [] }: ImageProviderOptions): ImageProvider {
  const resolved = new Map<string, Promise<ResolvedImage>>()
  const downloads = createSemaphore(DOWNLOADS)

  const locate = (reference: string): Location => {
    const layout = parseLayoutReference(reference)
    if (layout !== undefined) return { repository: createOciLayout(layout.directory), name: layout.name }
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
    await copyBlob({ source, destination: store }, descriptor, job)
    return await readAll(await store.open(descriptor, job), MAX_DOCUMENT_BYTES, what)
  }

  const find = async (reference: string, platform: Platform, job: Job): Promise<LocalImage> => {
    const isLayout = parseLayoutReference(reference) !== undefined
    const here = isLayout ? undefined : await findLocal(local, parseReference(reference), platform, job)
    if (here !== undefined) return here
    const { repository: source, name } = locate(reference)
    return { repository: source, ...(await resolveForPlatform(source, { name, reference }, platform, job)) }
  }

  const sourceOf = async ({ reference, manifest }: ImageOp, job: Job) => {
    const away = locate(reference)
    return { ...away, repository: (await firstWhole(local, manifest, job)) ?? away.repository }
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
      open: async (job) => {
        await fetch(job)
        return await store.open(descriptor, job)
      },
    }
  }

  const fetchFrom = (descriptor: Descriptor, source: BlobSource, job: Job): Promise<void> =>
    downloads.run(() => copyBlob({ source, destination: store }, descriptor, job), job.signal)

  const fetchRemote = async (descriptor: Descriptor, origin: string, job: Job): Promise<void> => {
    for (const here of local) if (await here.has(descriptor, job)) return fetchFrom(descriptor, here, job)
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

  return { resolve, layers, fetchRemote, pull }
}

/** `oci-layout://DIRECTORY[:NAME|@DIGEST]`, or `oci:…`; a directory without a name holds one image. */
function parseLayoutReference(reference: string): { directory: string; name: string } | undefined {
  const match = /^(?:oci-layout:\/\/|oci:)(.+?)(?:@(sha256:[a-f0-9]{64})|:([A-Za-z0-9_][\w.-]*))?$/.exec(
    reference,
  )
  if (match === null) return undefined
  const directory = match[1] ?? ''
  if (!isAbsolute(directory)) {
    throw new OssbError(
      'ERR_OSSB_REFERENCE_INVALID',
      `Cannot use "${reference}" as a base image: the directory of an OCI layout must be absolute`,
      { hint: 'Write FROM oci-layout:///path/to/layout:tag.' },
    )
  }
  return { directory, name: match[2] ?? match[3] ?? '' }
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
