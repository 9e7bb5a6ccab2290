import type { Readable } from 'node:stream'
import {
  type Descriptor,
  digestOf,
  formatReference,
  type Job,
  MEDIA_TYPE,
  OssbError,
  parseReference,
} from '../core/index.ts'
import { blobArchive, serializeLayoutIndex } from '../exporters/index.ts'
import { openArchive } from '../images/index.ts'
import { readAll } from '../io/index.ts'
import {
  type BlobSource,
  type ImageDocument,
  type ImageSource,
  MAX_DOCUMENT_BYTES,
  type Manifest,
  parseIndex,
  parseManifest,
} from '../oci/index.ts'
import type { RegistryAccess } from '../options/index.ts'
import {
  checkoutName,
  type Gathered,
  type GatheredFile,
  type GatheredRepository,
  urlName,
} from '../sources/index.ts'
import { formatLock, LOCK_FILE, type LockEntry, parseLock } from './input-lock.ts'

/**
 * The inputs of a build in one file: an OCI layout in a tar. An image is an entry of its index by its full name; a file
 * or a checkout is an artifact (image-spec manifest.md, "Guidelines for Artifact Usage"), whose one layer is the content
 * and whose annotations say what it is. Beside the layout lies the lock file.
 */
const URL_ARTIFACT = 'application/vnd.ossb.input.url.v1'
const GIT_ARTIFACT = 'application/vnd.ossb.input.git.v1'
const REF_NAME = 'org.opencontainers.image.ref.name'
const NAME = 'ossb.input.name'
const EMPTY: ImageDocument = {
  descriptor: { mediaType: 'application/vnd.oci.empty.v1+json', digest: digestOf('{}'), size: 2 },
  bytes: Buffer.from('{}'),
}

/** What goes into an archive; all content is in the store. */
export type ArchivedInput =
  | {
      readonly kind: 'image'
      readonly reference: string
      readonly root: Descriptor
      readonly content: readonly Descriptor[]
    }
  | {
      readonly kind: 'url'
      readonly url: string
      readonly content: Descriptor
      readonly modified: number
      readonly from?: string
      readonly headers: Readonly<Record<string, string>>
    }
  | {
      readonly kind: 'git'
      /** See checkoutName(). */
      readonly checkout: string
      readonly content: Descriptor
      readonly commit: string
      readonly objects: readonly string[]
      readonly committed: number
    }

type Artifact = Exclude<ArchivedInput, { kind: 'image' }>

/** The bytes of an archive: a function of the inputs alone. */
export function writeInputArchive(
  inputs: readonly ArchivedInput[],
  lock: readonly LockEntry[],
  store: BlobSource,
  job: Job,
): AsyncIterable<Uint8Array> {
  const artifacts = inputs
    .filter((input): input is Artifact => input.kind !== 'image')
    .map((input) => ({ input, document: artifactOf(input) }))
  const entries = [
    ...inputs.flatMap((input) => (input.kind === 'image' ? [imageEntry(input)] : [])),
    ...artifacts.map(({ document }) => document.descriptor),
  ]
  const contents = inputs.flatMap((input) => (input.kind === 'image' ? input.content : [input.content]))
  const layers = uniqueBy(contents, ({ digest }) => digest).map((descriptor) => ({
    descriptor,
    open: (opener: Job) => store.open(descriptor, opener),
  }))
  const documents = artifacts.length === 0 ? [] : [EMPTY, ...artifacts.map(({ document }) => document)]
  const known = new Set(contents.map(({ digest }) => digest))
  return blobArchive(
    {
      layers,
      documents: uniqueBy(documents, ({ descriptor }) => descriptor.digest).filter(
        ({ descriptor }) => !known.has(descriptor.digest),
      ),
    },
    { index: serializeLayoutIndex(sortedEntries(entries)), files: { [LOCK_FILE]: formatLock(lock) } },
    job,
  )
}

function imageEntry({ reference, root }: Extract<ArchivedInput, { kind: 'image' }>): Descriptor {
  const { mediaType, digest, size } = root
  return {
    mediaType,
    digest,
    size,
    annotations: { [REF_NAME]: formatReference(parseReference(reference)) },
  }
}

function artifactOf(input: Artifact): ImageDocument {
  const [artifactType, annotations] =
    input.kind === 'url' ? [URL_ARTIFACT, urlAnnotations(input)] : [GIT_ARTIFACT, gitAnnotations(input)]
  const { mediaType, digest, size } = input.content
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociManifest,
    artifactType,
    config: EMPTY.descriptor,
    layers: [{ mediaType, digest, size }],
    annotations,
  }
  const bytes = Buffer.from(JSON.stringify(manifest))
  return {
    bytes,
    descriptor: {
      mediaType: MEDIA_TYPE.ociManifest,
      digest: digestOf(bytes),
      size: bytes.length,
      artifactType,
      annotations: { [NAME]: annotations[NAME] ?? '' },
    },
  }
}

function urlAnnotations({
  url,
  modified,
  from,
  headers,
}: Extract<ArchivedInput, { kind: 'url' }>): Readonly<Record<string, string>> {
  return {
    [NAME]: urlName(url),
    ...(from === undefined ? {} : { 'ossb.input.from': from }),
    'ossb.input.modified': String(modified),
    ...Object.fromEntries(
      Object.entries(headers)
        .map(([name, value]) => [`ossb.input.header.${name}`, value] as const)
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    ),
  }
}

function gitAnnotations({
  checkout,
  commit,
  objects,
  committed,
}: Extract<ArchivedInput, { kind: 'git' }>): Readonly<Record<string, string>> {
  return {
    [NAME]: checkout,
    'ossb.input.commit': commit,
    'ossb.input.objects': objects.join(' '),
    'ossb.input.committed': String(committed),
  }
}

function sortedEntries(entries: readonly Descriptor[]): readonly Descriptor[] {
  const key = ({ annotations = {} }: Descriptor) =>
    `${annotations[REF_NAME] ?? ''} ${annotations[NAME] ?? ''}`
  return uniqueBy(entries, key).sort((a, b) => (key(a) < key(b) ? -1 : 1))
}

function uniqueBy<T>(items: readonly T[], key: (item: T) => string): T[] {
  return [...new Map(items.map((item) => [key(item), item])).values()]
}

/** An archive of inputs, opened where it is. */
export interface InputArchive extends Gathered, AsyncDisposable {
  /** Its images, by full names. */
  readonly images: ImageSource
  /** The lock that lies in it. */
  readonly lock: readonly LockEntry[]
}

/** @throws OssbError ERR_OSSB_IMAGE_INVALID for a file that is no archive of inputs */
export async function openInputArchive(path: string, job: Job): Promise<InputArchive> {
  const images = await openArchive('oci-archive', path, job)
  const lock = images.file(LOCK_FILE)
  if (lock === undefined)
    throw new OssbError('ERR_OSSB_IMAGE_INVALID', `Cannot use "${path}" as inputs: it has no ${LOCK_FILE}`, {
      hint: 'An archive of "ossb bundle" is wanted.',
    })
  const files = new Map<string, GatheredFile>()
  const checkouts = new Map<string, GatheredRepository>()
  const index = images.file('index.json') ?? Buffer.from('')
  for (const entry of parseIndex(index, `index.json of "${path}"`).manifests) {
    if (entry.artifactType !== URL_ARTIFACT && entry.artifactType !== GIT_ARTIFACT) continue
    const what = `artifact ${entry.digest} of "${path}"`
    const bytes = await readAll(await images.open(entry, job), MAX_DOCUMENT_BYTES, what)
    const { name, about, content } = readArtifact(parseManifest(bytes, what), what)
    const open = (opener: Job): Promise<Readable> => images.open(content, opener)
    if (entry.artifactType === URL_ARTIFACT)
      files.set(name, {
        digest: content.digest,
        size: content.size,
        modified: numberOf(about, 'modified'),
        open,
      })
    else
      checkouts.set(name, {
        commit: about['ossb.input.commit'] ?? '',
        objects: (about['ossb.input.objects'] ?? '').split(' '),
        committed: numberOf(about, 'committed'),
        open,
      })
  }
  return {
    images,
    lock: parseLock(lock, `the ${LOCK_FILE} of "${path}"`),
    file: (url) => files.get(urlName(url)),
    repository: (source) => checkouts.get(checkoutName(source)),
    async [Symbol.asyncDispose]() {
      images[Symbol.dispose]()
    },
  }
}

function readArtifact({ annotations: about = {}, layers }: Manifest, what: string) {
  const [content] = layers
  const name = about[NAME]
  if (content === undefined || name === undefined || layers.length > 1)
    throw new OssbError('ERR_OSSB_IMAGE_INVALID', `Cannot use ${what}: it is no input of a build`)
  return { name, about, content }
}

function numberOf(about: Readonly<Record<string, string>>, key: 'modified' | 'committed'): number {
  const value = Number(about[`ossb.input.${key}`])
  return Number.isFinite(value) ? value : 0
}

/**
 * Where images are looked for before a registry is asked: in an archive of inputs and, where not every host may be
 * connected to, in the store.
 */
export function localImages(
  archive: InputArchive | undefined,
  store: ImageSource,
  { allowedHosts }: Pick<RegistryAccess, 'allowedHosts'>,
): readonly ImageSource[] {
  return [...(archive === undefined ? [] : [archive.images]), ...(allowedHosts === undefined ? [] : [store])]
}
