import {
  type Descriptor,
  formatReference,
  type Job,
  OssbError,
  parseReference,
  type Reference,
} from '../core/index.ts'
import type { Layer, Repository, StreamedRepository } from '../oci/index.ts'
import { settleAll } from './every-failure.ts'
import { type Exporter, exportedAs } from './exporter.ts'
import { type ContentOptions, type ImageContent, imageContent } from './image-content.ts'
import { putContent } from './put-content.ts'

export interface RegistryExporterOptions extends ContentOptions {
  /** Full names with a tag: `registry/repository[:tag]`. */
  readonly names: readonly string[]
  /** Leave tags that their registry does not let go as they are; absent makes them an error. */
  readonly ignoreImmutableTags?: boolean
  readonly repository: (reference: Reference, behaviour: PushBehaviour) => StreamedRepository
}

/** What the repository of a name is to know. */
interface PushBehaviour {
  /** Where a blob is known to be already ("registry/repository"). */
  readonly mountFrom: (blob: Descriptor) => string | undefined
  /** Is told of tags that were left as they are; absent where that is an error. */
  readonly skipImmutableTag?: (tag: string) => void
}

/**
 * Pushes to every name. A tag is set only after all that it leads to is in the repository; a name that fails does
 * not keep the others from being pushed.
 */
export function createRegistryExporter(options: RegistryExporterOptions): Exporter {
  const targets = groupByRepository(options.names)
  return {
    name: 'registry',
    async export(images, job) {
      const content = imageContent(images, options)
      const skipped = new Set<string>()
      await settleAll(
        'push',
        targets.map((references) => () => push({ content, references, skipped }, options, job)),
        job,
      )
      return {
        ...exportedAs(content),
        outputs: targets
          .flat()
          .map(formatReference)
          .filter((name) => !skipped.has(name))
          .map((name) => `registry ${name}`),
      }
    },
    async ahead(layer, job) {
      const put = ([first]: (typeof targets)[number]) =>
        options
          .repository(first, { mountFrom: originsOf([layer]) })
          .put(layer.descriptor, () => layer.open(job), job)
      await Promise.allSettled(targets.map(put))
    },
    // To one place: it comes once, and is mounted or sent from the store elsewhere.
    async stream(layer, job) {
      const [first] = targets.flat()
      if (first !== undefined)
        await options.repository(first, { mountFrom: () => undefined }).stream(layer, job)
    },
  }
}

interface Push {
  readonly content: ImageContent
  /** All of one repository. */
  readonly references: readonly [Reference, ...Reference[]]
  /** Names that turned out to be another image's for good. */
  readonly skipped: Set<string>
}

async function push(
  { content, references, skipped }: Push,
  options: RegistryExporterOptions,
  job: Job,
): Promise<void> {
  const [first] = references
  const skip = (tag: string) => void skipped.add(formatReference({ ...first, tag }))
  const repository = options.repository(first, {
    mountFrom: originsOf(content.layers),
    ...(options.ignoreImmutableTags ? { skipImmutableTag: skip } : {}),
  })
  await putContent(repository, content, job)
  await tagAll(repository, content.root, references, job)
}

async function tagAll(
  repository: Repository,
  root: Descriptor,
  references: readonly Reference[],
  job: Job,
): Promise<void> {
  const tags = references.flatMap(({ tag }) => (tag === undefined ? [] : [tag]))
  await settleAll(
    'tag',
    tags.map((tag) => () => repository.tag(root, tag, job)),
    job,
  )
}

function originsOf(layers: readonly Layer[]): PushBehaviour['mountFrom'] {
  const origins = new Map(layers.map(({ descriptor, origin }) => [descriptor.digest, origin]))
  return ({ digest }) => origins.get(digest)
}

/** The names by the repository that they are in, so that its content is pushed once. */
function groupByRepository(names: readonly string[]): readonly (readonly [Reference, ...Reference[]])[] {
  if (names.length === 0)
    throw new OssbError('ERR_OSSB_USAGE', 'Cannot push an image without a name', {
      hint: 'Give it one with --tag registry.example.com/team/app:1.0.',
    })
  const groups = new Map<string, [Reference, ...Reference[]]>()
  for (const name of new Set(names)) {
    const reference = parseReference(name)
    if (reference.digest !== undefined)
      throw new OssbError(
        'ERR_OSSB_USAGE',
        `Cannot push to "${name}": a digest is not a name that can be given`,
        {
          hint: 'Use a tag, or no suffix at all.',
        },
      )
    const repository = `${reference.registry}/${reference.repository}`
    const group = groups.get(repository)
    if (group === undefined) groups.set(repository, [reference])
    else group.push(reference)
  }
  return [...groups.values()]
}
