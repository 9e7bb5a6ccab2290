import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Descriptor,
  type Digest,
  familiarReference,
  fileSystemError,
  formatReference,
  type ImageLocation,
  isDigest,
  type Job,
  OssbError,
  parseReference,
} from './core/index.ts'
import { blobPath, createArchiveFile, layoutEntries, serializeLayoutIndex } from './exporters/index.ts'
import type { Places } from './image-source.ts'
import { parseManifest, type Repository, referralOf } from './oci/index.ts'
import type { CopyImageOptions } from './options.ts'
import type { ContentList } from './registry/index.ts'
import { createOciLayout, REF_NAME } from './store/index.ts'

/** Where an image goes: content first, and its names, which make it visible, last. */
export interface OpenDestination extends AsyncDisposable {
  readonly repository: Repository
  /** Gives the image all its names. @returns them as they can be used again */
  name(root: Descriptor, job: Job): Promise<readonly string[]>
}

/** What an archive has to know before its first byte is written. */
export interface PlannedContent extends ContentList {
  /** The manifest that is the image for programs that know no index. */
  readonly mainManifest: Descriptor
}

export interface DestinationParts {
  readonly location: ImageLocation
  readonly options: Pick<CopyImageOptions, 'tags' | 'cacheDir'>
  readonly places: Places
  /** A repository ("registry/repository") that is known to have a blob. */
  readonly mountFrom: (blob: Descriptor) => string | undefined
  /** Read only where the destination needs it. */
  plan(): Promise<PlannedContent>
}

const NOTHING_TO_RELEASE = { [Symbol.asyncDispose]: () => Promise.resolve() }

/** @throws OssbError ERR_OSSB_USAGE for a place that can't be written to */
export async function openDestination(parts: DestinationParts): Promise<OpenDestination> {
  const { location, options, places, mountFrom } = parts
  switch (location.type) {
    case 'registry': {
      const { reference } = location
      if (reference.digest !== undefined) throw notAName(location.text)
      const repository = (await places.registry()).repository(reference, { mountFrom })
      const tags = [reference.tag ?? 'latest', ...options.tags]
      return named(repository, tags, (tag) => formatReference({ ...reference, tag }))
    }
    case 'cache': {
      if (isDigest(location.name) || location.name.includes('@')) throw notAName(location.text)
      const reference = parseReference(location.name)
      makeDirectory(options.cacheDir, 0o700)
      const cache = await places.cache()
      const names = [location.name, ...options.tags.map((tag) => formatReference({ ...reference, tag }))]
      const destination = named(
        createOciLayout(cache.root),
        names.map((name) => formatReference(parseReference(name))),
        (name) => `cache:${name}`,
      )
      return { ...destination, name: (root, job) => cache.naming(() => destination.name(root, job)) }
    }
    case 'oci': {
      if (/^(?:@|sha256:)/.test(location.name)) throw notAName(location.text)
      assertLayout(location.path)
      const names = [location.name === '' ? 'latest' : location.name, ...options.tags]
      return named(createOciLayout(location.path), names, (name) => `oci:${location.path}:${name}`)
    }
    default:
      return await openArchiveDestination(location, parts)
  }
}

function named(
  repository: Repository,
  names: readonly string[],
  describe: (name: string) => string,
): OpenDestination {
  return {
    ...NOTHING_TO_RELEASE,
    repository,
    async name({ mediaType, digest, size }, job) {
      const wanted = [...new Set(names)]
      for (const name of wanted) await repository.tag({ mediaType, digest, size }, name, job)
      return wanted.map(describe)
    },
  }
}

function notAName(text: string): OssbError {
  return new OssbError(
    'ERR_OSSB_USAGE',
    `Cannot copy to "${text}": a digest is not a name that can be given`,
    {
      hint: 'Use a tag, or no suffix at all.',
    },
  )
}

function makeDirectory(path: string, mode?: number): void {
  try {
    mkdirSync(path, { recursive: true, ...(mode === undefined ? {} : { mode }) })
  } catch (error) {
    throw fileSystemError(`make the directory "${path}"`, error)
  }
}

function assertLayout(path: string): void {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats !== undefined && !stats.isDirectory())
    throw new OssbError('ERR_OSSB_OUTPUT', `Cannot write an OCI layout to "${path}": it is not a directory`)
  const mark = join(path, 'oci-layout')
  if (!existsSync(mark) || /"imageLayoutVersion"\s*:\s*"1\.0\.0"/.test(readFileSync(mark, 'utf8'))) return
  throw new OssbError(
    'ERR_OSSB_OUTPUT',
    `Cannot add to the OCI layout "${path}": its file oci-layout does not name version 1.0.0`,
  )
}

type ArchiveLocation = Extract<ImageLocation, { readonly type: 'oci-archive' | 'docker-archive' }>

async function openArchiveDestination(
  location: ImageLocation,
  { options, plan }: DestinationParts,
): Promise<OpenDestination> {
  const { path, name, type, text } = location as ArchiveLocation
  if (/^(?:@|sha256:)/.test(name)) throw notAName(text)
  const isDocker = type === 'docker-archive'
  const names = isDocker ? repoTags(name, options.tags) : [name, ...options.tags].filter((one) => one !== '')
  const content = await plan()
  const file = createArchiveFile(path, content.descriptors)
  const unused = () => Promise.reject(new OssbError('ERR_OSSB_INTERNAL', 'Cannot name what is in an archive'))
  return {
    repository: { ...file, resolve: unused, tag: unused },
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
