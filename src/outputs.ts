import type { Writable } from 'node:stream'
import { type FileEntry, type Job, OssbError, type Platform, parsePlatform } from './core/index.ts'
import type { Engine } from './engine.ts'
import {
  type ContentOptions,
  checkAnnotations,
  createDockerArchiveExporter,
  createFlatArchiveExporter,
  createLocalDirExporter,
  createOciArchiveExporter,
  createOciLayoutExporter,
  createRegistryExporter,
  createRootfsTarExporter,
  createStoreExporter,
  type Exporter,
  type OutputTarget,
  requireOnePlatform,
} from './exporters/index.ts'
import { type NativeHelper, walkTree } from './native/index.ts'
import type { Image } from './oci/index.ts'
import type { BuildOptions, OutputSpec } from './options/index.ts'
import { createIndexLock } from './store/index.ts'

/** What could not be written is refused before anything is built. */
export function checkOutputs(options: BuildOptions, { length: count }: readonly Platform[]): void {
  const { outputs } = options
  if (outputs.some(({ type }) => type === 'docker')) requireOnePlatform(count)
  if (isAttested(options)) checkAttested(options)
  if (
    options.compression.type === 'estargz' &&
    options.cacheTo?.some(({ type }) => type === 'inline') === true
  )
    throw new OssbError(
      'ERR_OSSB_USAGE',
      'Cannot keep an inline cache in layers that are compressed as estargz',
      {
        hint: 'They hold a table of their files, which no step made. Use --cache-to type=registry, or another compression.',
      },
    )
  for (const output of outputs)
    if (output.type !== 'local' && output.type !== 'tar')
      checkAnnotations(count, contentOptions(options, output))
}

function isAttested({ provenance, sbom = false }: BuildOptions): boolean {
  return provenance !== undefined || sbom
}

/** @throws OssbError ERR_OSSB_USAGE where attestations have no place */
function checkAttested({ outputs, imageFormat }: BuildOptions): void {
  const types = outputs.length === 0 ? ['image'] : outputs.map(({ type }) => type)
  const hasPlace = (type: string) =>
    type === 'local' || type === 'tar' || (imageFormat === 'oci' && (type === 'image' || type === 'oci'))
  if (types.every(hasPlace)) return
  throw new OssbError(
    'ERR_OSSB_USAGE',
    'Cannot attach attestations: an output or the image format has no place for them',
    {
      hint: 'They are in an index of the OCI format, or beside files: use the outputs image, registry, oci, local and tar, or leave --provenance and --sbom out.',
    },
  )
}

export function exportersOf(
  options: BuildOptions,
  names: readonly string[],
  engine: Engine,
): readonly Exporter[] {
  const outputs: readonly OutputSpec[] =
    options.outputs.length === 0 ? [{ type: 'image', push: false }] : options.outputs
  return outputs.flatMap((output) => exportersFor(output, names, options, engine))
}

function exportersFor(
  output: OutputSpec,
  tags: readonly string[],
  options: BuildOptions,
  engine: Engine,
): readonly Exporter[] {
  const { standardOutput } = options
  const content = contentOptions(options, output)
  const dest = 'dest' in output ? targetOf(output.dest, standardOutput) : ''
  const roots = { use: useRoot, walk: (rootfs: string, job: Job) => entriesOf(engine.helper, rootfs, job) }
  const names = 'names' in output && output.names !== undefined ? output.names : tags
  async function useRoot<T>(image: Image, action: (rootfs: string) => Promise<T>, job: Job): Promise<T> {
    await using view = await engine.snapshotter.view(
      image.layers.map((layer) => layer.made ?? layer),
      job,
    )
    return await action(view.rootfs)
  }
  switch (output.type) {
    case 'image':
      return [
        createStoreExporter({ store: engine.store, names, ...content, onlyWhole: output.push }),
        ...(output.push ? [registryExporter({ names, content }, options, engine)] : []),
      ]
    case 'oci':
      return [
        output.tar
          ? createOciArchiveExporter({ dest, names, ...content })
          : createOciLayoutExporter({
              dest: output.dest,
              names,
              lock: createIndexLock(engine.session, output.dest),
              ...content,
              ...(output.single === undefined ? {} : { single: output.single }),
            }),
      ]
    case 'docker':
      return [
        output.flat === true
          ? createFlatArchiveExporter({ dest, names })
          : createDockerArchiveExporter({ dest, names }),
      ]
    case 'tar':
      return [createRootfsTarExporter({ dest, roots, ...splitOf(output) })]
    case 'local':
      return [createLocalDirExporter({ dest: output.dest, roots, ...splitOf(output) })]
    default:
      return output satisfies never
  }
}

function splitOf({ platformSplit }: { readonly platformSplit?: boolean }): { platformSplit?: boolean } {
  return platformSplit === undefined ? {} : { platformSplit }
}

function targetOf(dest: string, standardOutput: Writable | undefined): OutputTarget {
  if (dest !== '-') return dest
  if (standardOutput !== undefined) return standardOutput
  throw new OssbError('ERR_OSSB_USAGE', 'Cannot write an output to "-": there is no standard output', {
    hint: 'Name a file.',
  })
}

function registryExporter(
  { names, content }: { readonly names: readonly string[]; readonly content: ContentOptions },
  options: BuildOptions,
  { registry }: Engine,
): Exporter {
  const { ignoreImmutableTags = false } = options
  return createRegistryExporter({
    names,
    ...content,
    ignoreImmutableTags,
    repository: (reference, behaviour) => registry.repository(reference, behaviour),
  })
}

/** Like BuildKit, makes an index of one image where the argument asks for it. */
function contentOptions(options: BuildOptions, output: OutputSpec): ContentOptions {
  const { imageFormat, buildArgs, annotations = [] } = options
  const own = 'annotations' in output ? (output.annotations ?? []) : []
  return {
    format: output.type === 'docker' ? 'docker' : imageFormat,
    annotations: [...annotations, ...own].map(({ platform, ...one }) => ({
      ...one,
      ...(platform === undefined ? {} : { platform: parsePlatform(platform) }),
    })),
    isIndex: isAttested(options) || /^(?:1|t|true)$/i.test(buildArgs['BUILDKIT_MULTI_PLATFORM'] ?? ''),
  }
}

export async function* entriesOf(
  helper: NativeHelper,
  rootfs: string,
  job: Job,
): AsyncGenerator<FileEntry, void, undefined> {
  for await (const entries of walkTree(helper, rootfs, job)) yield* entries
}
