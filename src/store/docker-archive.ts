import { Readable } from 'node:stream'
import * as v from 'valibot'
import { type Descriptor, type Digest, isDigest, isIndexType, type Job, OssbError } from '../core/index.ts'
import {
  type ImageSource,
  MAX_DOCUMENT_BYTES,
  parseIndex,
  parseManifest,
  type ReferrerSource,
} from '../oci/index.ts'
import {
  type ArchiveFiles,
  archiveContent,
  createArchiveLayout,
  hasLayout,
  openMember,
} from './archive-layout.ts'
import { type ConvertedImage, convertDockerImage, type DockerImageEntry } from './docker-image.ts'
import { type LayoutContent, sameName } from './layout-content.ts'

const ENTRIES = v.array(
  v.object({
    Config: v.string(),
    RepoTags: v.nullish(v.array(v.string())),
    Layers: v.nullable(v.array(v.string()), []),
  }),
)

/**
 * An archive of `docker save`, by any tool. Where it holds an OCI layout as well, images are taken from there with the
 * digests that they have; others get a manifest of OCI's form that depends on the archive alone. Names are those of
 * RepoTags, digests, or `@` and a number from 0.
 */
export function createDockerArchive(files: ArchiveFiles): ImageSource & ReferrerSource {
  const layout = hasLayout(files) ? createArchiveLayout(files) : undefined
  const converted = new Map<Digest, ConvertedImage>()
  const memberOf = (wanted: Descriptor): string | undefined => {
    for (const image of converted.values()) {
      const path = image.members.get(wanted.digest)
      if (path !== undefined) return path
    }
    return undefined
  }

  const convert = async (entry: DockerImageEntry, job: Job): Promise<Descriptor> => {
    const image = await convertDockerImage(files, entry, job)
    converted.set(image.manifest.descriptor.digest, image)
    return image.manifest.descriptor
  }

  const resolve = async (name: string, job: Job): Promise<Descriptor> => {
    const known = converted.get(name as Digest)
    if (known !== undefined) return known.manifest.descriptor
    if (layout !== undefined && (isDigest(name) || files.size('manifest.json') === undefined))
      return layout.resolve(name, job)
    const entry = chooseEntry(readEntries(files), name, files.where)
    return (layout === undefined ? undefined : inLayout(files, entry)) ?? (await convert(entry, job))
  }

  return {
    resolve,
    async has(wanted, job) {
      const bytes = converted.get(wanted.digest)?.manifest.bytes
      if (bytes !== undefined || memberOf(wanted) !== undefined) return true
      return layout?.has(wanted, job) ?? false
    },
    async open(wanted, job) {
      const bytes = converted.get(wanted.digest)?.manifest.bytes
      if (bytes !== undefined) return Readable.from([bytes])
      const path = memberOf(wanted)
      if (path === undefined && layout !== undefined) return layout.open(wanted, job)
      return openMember(files, path ?? '', wanted)
    },
    referrers: async (subject, job, options) => (await layout?.referrers(subject, job, options)) ?? [],
  }
}

function readEntries(files: ArchiveFiles): readonly DockerImageEntry[] {
  const invalid = (why: string, cause?: unknown) =>
    new OssbError('ERR_OSSB_IMAGE_INVALID', `Cannot read "${files.where}" as a docker archive: ${why}`, {
      cause,
      hint: 'For an OCI archive write oci-archive:FILE.',
    })
  const bytes = files.read('manifest.json', MAX_DOCUMENT_BYTES)
  if (bytes === undefined) throw invalid('it has no manifest.json')
  try {
    return v.parse(ENTRIES, JSON.parse(bytes.toString('utf8')))
  } catch (error) {
    throw invalid('its manifest.json is not what "docker save" writes', error)
  }
}

function chooseEntry(entries: readonly DockerImageEntry[], name: string, where: string): DockerImageEntry {
  const names = entries.map(({ RepoTags }, at) => (RepoTags?.length ? RepoTags.join(', ') : `@${at}`))
  const hint = entries.length === 0 ? 'It holds no image.' : `It holds ${names.join(', ')}.`
  if (name === '') {
    const [only] = entries
    if (only !== undefined && entries.length === 1) return only
    throw new OssbError(
      'ERR_OSSB_NOT_FOUND',
      `Cannot choose an image in "${where}": it holds ${entries.length} and none was named`,
      { hint },
    )
  }
  const found = /^@\d+$/.test(name)
    ? entries[Number(name.slice(1))]
    : entries.find(({ RepoTags }) => RepoTags?.some((tag) => sameName(tag, name)))
  if (found !== undefined) return found
  throw new OssbError('ERR_OSSB_NOT_FOUND', `Cannot find "${name}" in "${where}"`, { hint })
}

/** What the layout in the archive has for an image: what bears its name there, else the manifest of its config. */
function inLayout(files: ArchiveFiles, { Config, RepoTags }: DockerImageEntry): Descriptor | undefined {
  const content = archiveContent(files)
  const { manifests } = content.index()
  // A name of its own, or with the algorithm in front of it, as in a layout.
  const [, hex] = /(?<![a-f0-9])([a-f0-9]{64}(?:[a-f0-9]{64})?)(?:\.json)?$/.exec(Config) ?? []
  const config = hex === undefined ? '' : `${hex.length === 64 ? 'sha256' : 'sha512'}:${hex}`
  const holds = (entry: Descriptor) => leadsToConfig(content, entry, config)
  const named = manifests.filter(({ annotations }) => {
    const name = annotations?.['io.containerd.image.name']
    return name !== undefined && RepoTags?.some((tag) => sameName(tag, name))
  })
  return named.find(holds) ?? manifests.find(holds)
}

const MAX_DEPTH = 4

function leadsToConfig(content: LayoutContent, entry: Descriptor, config: string, depth = 1): boolean {
  const bytes = content.document(entry.digest)
  if (bytes === undefined || depth > MAX_DEPTH) return false
  if (isIndexType(entry.mediaType))
    return parseIndex(bytes, `index ${entry.digest}`).manifests.some((child) =>
      leadsToConfig(content, child, config, depth + 1),
    )
  return parseManifest(bytes, `manifest ${entry.digest}`).config.digest === config
}
