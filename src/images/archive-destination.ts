import {
  type Descriptor,
  type Digest,
  familiarReference,
  type ImageFileType,
  type ImageLocation,
  isDigest,
  OssbError,
  parseReference,
} from '../core/index.ts'
import { createArchiveFile, layoutEntries, serializeLayoutIndex } from '../exporters/index.ts'
import { blobPath, parseManifest, referralOf } from '../oci/index.ts'
import type { ContentList } from '../registry/index.ts'
import { REF_NAME } from '../store/index.ts'
import { type DestinationParts, notAName, type OpenDestination, type PlannedContent } from './place.ts'

type FileLocation = Extract<ImageLocation, { readonly type: ImageFileType }>

/** An archive that is written as a whole: its index comes last, and then its name. */
export async function openArchiveDestination(
  { path, name, type, text }: FileLocation,
  { options, plan }: DestinationParts,
): Promise<OpenDestination> {
  if (name.startsWith('@') || isDigest(name)) throw notAName(text)
  const isDocker = type === 'docker-archive'
  const names = isDocker ? repoTags(name, options.tags) : [name, ...options.tags].filter((one) => one !== '')
  const content = await plan()
  const file = createArchiveFile(path, content.descriptors)
  return {
    repository: {
      has: (content, job) => file.has(content, job),
      open: (content, job) => file.open(content, job),
      put: (expected, open, job) => file.put(expected, open, job),
    },
    async name(root) {
      const entries = [
        ...(isDocker ? layoutEntries({ root, names }) : plainEntries(root, names)),
        ...referrersIn(content),
      ]
      file.finish({
        index: serializeLayoutIndex(entries),
        ...(isDocker ? { dockerManifest: dockerManifest(content, names) } : {}),
      })
      return names.length === 0 ? [`${type}:${path}`] : names.map((one) => `${type}:${path}:${one}`)
    },
    [Symbol.asyncDispose]: async () => file[Symbol.dispose](),
  }
}

function repoTags(name: string, tags: readonly string[]): readonly string[] {
  if (name === '' && tags.length > 0)
    throw new OssbError('ERR_OSSB_USAGE', `Cannot give the tag "${tags[0]}" to an image without a name`, {
      hint: 'Write docker-archive:FILE:NAME:TAG.',
    })
  if (name === '') return []
  const reference = parseReference(name)
  return [...new Set([reference.tag ?? 'latest', ...tags])].map((tag) =>
    familiarReference({ ...reference, tag }),
  )
}

function plainEntries(
  { mediaType, digest, size }: Descriptor,
  names: readonly string[],
): readonly Descriptor[] {
  const root = { mediaType, digest, size }
  if (names.length === 0) return [root]
  return [...new Set(names)].map((name) => ({ ...root, annotations: { [REF_NAME]: name } }))
}

/** What refers to something is found by the index of a layout. */
function referrersIn({ descriptors, documents }: ContentList): readonly Descriptor[] {
  return descriptors.flatMap((descriptor) => {
    const bytes = documents.get(descriptor.digest)
    const referral = bytes === undefined ? undefined : referralOf(descriptor, bytes)
    return referral === undefined ? [] : [referral.referrer]
  })
}

/** What `docker load` reads where it knows no OCI layout. */
function dockerManifest({ mainManifest, documents }: PlannedContent, names: readonly string[]): string {
  const bytes = documents.get(mainManifest.digest) ?? Buffer.alloc(0)
  const { config, layers } = parseManifest(bytes, `manifest ${mainManifest.digest}`)
  return JSON.stringify([
    {
      Config: blobPath(config.digest),
      RepoTags: names.length === 0 ? null : names,
      Layers: layers.map(({ digest }: { readonly digest: Digest }) => blobPath(digest)),
    },
  ])
}
