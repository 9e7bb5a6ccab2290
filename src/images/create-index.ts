import {
  type Descriptor,
  type Digest,
  formatPlatform,
  isIndexType,
  isManifestType,
  type Job,
  OssbError,
  parseImageLocation,
} from '../core/index.ts'
import { createHolding } from '../io/index.ts'
import {
  assembleIndexOf,
  type BlobSource,
  parseImageConfig,
  parseIndex,
  parseManifest,
} from '../oci/index.ts'
import type { CreateIndexOptions, CreateIndexResult } from '../options/index.ts'
import { copy, listContent, readDocument } from '../registry/index.ts'
import { openDestination } from './destination.ts'
import { type IndexEntry, mergeEntries } from './index-entries.ts'
import { platformOf } from './inspect-image.ts'
import { withDocuments } from './selection.ts'
import { createPlaces, type OpenSource, openSource, type Places } from './source.ts'

/**
 * Joins images and indexes into one index and makes it, with all that it names, available at one place. Entries stay
 * in the order of the sources, with the annotations that they had; attestations stay with their images.
 */
export async function createIndex(options: CreateIndexOptions, job: Job): Promise<CreateIndexResult> {
  const destination = parseImageLocation(options.destination)
  await using places = createPlaces(options, job)
  await using sources = await openSources(options, places, job)
  const entries: IndexEntry[] = []
  for (const source of sources.opened) entries.push(...(await entriesIn(source, job)))
  const kept = mergeEntries(entries, { replace: options.replace, appended: options.append })
  const index = assembleIndexOf(
    kept.map(({ descriptor }) => descriptor),
    {
      format: options.imageFormat,
      ...(Object.keys(options.annotations).length === 0 ? {} : { annotations: options.annotations }),
    },
  )
  const owners = await ownersOf(kept, job)
  const content = withDocuments(
    joined(owners),
    new Map([[index.descriptor.digest, Buffer.from(index.bytes)]]),
  )
  const plan = async () => {
    const list = await listContent(content, [index.descriptor], job)
    return { ...list, mainManifest: kept[0]?.descriptor ?? index.descriptor }
  }
  await using target = await openDestination({
    location: destination,
    options,
    places,
    mountFrom: ({ digest }) => owners.get(digest)?.origin,
    plan,
  })
  await copy(content, target.repository, index.descriptor, job)
  const names = await target.name(index.descriptor, job)
  return {
    descriptor: index.descriptor,
    names,
    platforms: kept.flatMap(({ platform }) => (platform === undefined ? [] : [formatPlatform(platform)])),
  }
}

interface NamedSource extends OpenSource {
  readonly reference: string
}

async function openSources(
  options: CreateIndexOptions,
  places: Places,
  job: Job,
): Promise<AsyncDisposable & { readonly opened: readonly NamedSource[] }> {
  await using holding = createHolding()
  const open = async (text: string) =>
    holding.hold({ ...(await openSource(parseImageLocation(text), places, options, job)), reference: text })
  const opened = options.append ? await ifThere(() => open(options.destination), job) : []
  for (const text of options.sources) opened.push(await open(text))
  return { opened, [Symbol.asyncDispose]: holding.handOver() }
}

/** What is added to may not be there yet. */
async function ifThere(open: () => Promise<NamedSource>, job: Job): Promise<NamedSource[]> {
  try {
    const opened = await open()
    await opened.source.resolve(opened.name, job)
    return [opened]
  } catch (error) {
    if (error instanceof OssbError && error.code === 'ERR_OSSB_NOT_FOUND') return []
    throw error
  }
}

async function entriesIn(from: NamedSource, job: Job): Promise<readonly IndexEntry[]> {
  const { source, name, reference } = from
  const root = await source.resolve(name, job)
  return await entriesBelow(root, { ...from, reference }, job)
}

const MAX_DEPTH = 4

async function entriesBelow(
  content: Descriptor,
  from: NamedSource,
  job: Job,
  depth = 1,
): Promise<readonly IndexEntry[]> {
  const { source, reference } = from
  const bytes = await readDocument(source, content, job)
  const what = `manifest ${content.digest} of "${reference}"`
  if (isIndexType(content.mediaType)) {
    if (depth > MAX_DEPTH)
      throw new OssbError(
        'ERR_OSSB_IMAGE_INVALID',
        `Cannot use "${reference}": its indexes are nested too deep`,
      )
    const entries: IndexEntry[] = []
    for (const entry of parseIndex(bytes, what).manifests) {
      const isKnown =
        entry.platform !== undefined || !(isManifestType(entry.mediaType) || isIndexType(entry.mediaType))
      if (isKnown && !isIndexType(entry.mediaType)) entries.push(entryOf(entry, from))
      else entries.push(...(await entriesBelow(entry, from, job, depth + 1)))
    }
    return entries
  }
  const manifest = parseManifest(bytes, what)
  const config = parseImageConfig(
    await readDocument(source, manifest.config, job),
    `the config of "${reference}"`,
  )
  const { mediaType, digest, size, annotations } = content
  const kept = depth === 1 || annotations === undefined ? {} : { annotations }
  return [entryOf({ mediaType, digest, size, ...kept, platform: platformOf(config) }, from)]
}

function entryOf(descriptor: Descriptor, { source, origin, reference }: NamedSource): IndexEntry {
  const isImage =
    descriptor.platform?.os !== 'unknown' &&
    descriptor.annotations?.['vnd.docker.reference.type'] === undefined
  return {
    descriptor,
    reference,
    source,
    ...(origin === undefined ? {} : { origin }),
    ...(isImage && descriptor.platform !== undefined ? { platform: descriptor.platform } : {}),
  }
}

type Owner = Pick<IndexEntry, 'source' | 'origin'>

/** Which source has what. */
async function ownersOf(entries: readonly IndexEntry[], job: Job): Promise<ReadonlyMap<Digest, Owner>> {
  const owners = new Map<Digest, Owner>()
  for (const entry of entries) {
    const { descriptors } = await listContent(entry.source, [entry.descriptor], job)
    for (const { digest } of descriptors) if (!owners.has(digest)) owners.set(digest, entry)
  }
  return owners
}

function joined(owners: ReadonlyMap<Digest, Owner>): BlobSource {
  const ownerOf = (wanted: Descriptor): BlobSource => {
    const owner = owners.get(wanted.digest)
    if (owner !== undefined) return owner.source
    throw new OssbError('ERR_OSSB_INTERNAL', `Cannot find ${wanted.digest}: no source of the index has it`)
  }
  return {
    has: async (wanted, job) => await ownerOf(wanted).has(wanted, job),
    open: async (wanted, job) => await ownerOf(wanted).open(wanted, job),
  }
}
