import { Readable } from 'node:stream'
import {
  type Descriptor,
  type Digest,
  digestOf,
  hostPlatform,
  isIndexType,
  type Job,
  parsePlatform,
} from '../core/index.ts'
import { type BlobSource, type ImageSource, parseIndex } from '../oci/index.ts'
import { entriesOf, readDocument, resolveForPlatform } from '../registry/index.ts'

/** What of an image is meant. */
export interface Selection {
  readonly root: Descriptor
  /** Bytes of a root that was made here, and is in no source. */
  readonly made?: Buffer
}

interface NamedSource {
  readonly source: ImageSource
  readonly name: string
  /** As the user wrote it. */
  readonly reference: string
}

/**
 * The part of an image that is for some platforms: the index as it is for `all`, the manifest for one (this machine's
 * where none is named), an index of those for several. What is no index is taken as it is.
 * @throws OssbError ERR_OSSB_NOT_FOUND that lists the platforms there are
 */
export async function selectImage(
  { source, name, reference }: NamedSource,
  platforms: readonly string[] | 'all',
  job: Job,
): Promise<Selection> {
  if (platforms === 'all') return { root: await source.resolve(name, job) }
  const wanted = platforms.map((text) => parsePlatform(text))
  const [first = hostPlatform(), ...others] = wanted
  const { manifest, root } = await resolveForPlatform(source, { name, reference }, first, job)
  if (others.length === 0 || !isIndexType(root.mediaType)) return { root: manifest }
  const manifests = [manifest]
  for (const platform of others)
    manifests.push(
      (await resolveForPlatform(source, { name: root.digest, reference }, platform, job)).manifest,
    )
  return await indexOf(source, root, new Set(manifests.map(({ digest }) => digest)), job)
}

/** An index of some entries of another, and of the attestations about them; all else in it as it was. */
async function indexOf(
  source: ImageSource,
  root: Descriptor,
  digests: ReadonlySet<Digest>,
  job: Job,
): Promise<Selection> {
  const bytes = await readDocument(source, root, job)
  const document = JSON.parse(bytes.toString('utf8')) as { manifests: readonly Descriptor[] }
  const flat = parseIndex(bytes, `index ${root.digest}`).manifests.some(({ mediaType }) =>
    isIndexType(mediaType),
  )
    ? await entriesOf(source, root, job)
    : document.manifests
  const isWanted = ({ digest, annotations }: Descriptor) =>
    digests.has(digest) || digests.has(annotations?.['vnd.docker.reference.digest'] as Digest)
  const manifests = flat.filter(isWanted)
  if (manifests.length === document.manifests.length) return { root }
  const made = Buffer.from(JSON.stringify({ ...document, manifests }, undefined, 2))
  return { root: { mediaType: root.mediaType, digest: digestOf(made), size: made.length }, made }
}

/** A source that also has documents that were made here. */
export function withDocuments(source: BlobSource, documents: ReadonlyMap<Digest, Buffer>): BlobSource {
  return {
    has: async (wanted, job) => documents.has(wanted.digest) || (await source.has(wanted, job)),
    async open(wanted, job) {
      const bytes = documents.get(wanted.digest)
      return bytes === undefined ? await source.open(wanted, job) : Readable.from([bytes])
    },
  }
}
