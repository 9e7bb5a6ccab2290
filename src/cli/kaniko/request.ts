import { isAbsolute, join, resolve } from 'node:path'
import type { BuildOptions, LayerCompression, OutputSpec } from '../../index.ts'
import { cacheDirectory } from '../cache-directory.ts'
import { cacheOptions } from './cache-options.ts'
import { CommandError, FatalError } from './command-error.ts'
import { contextOptions, dockerfileOption } from './context.ts'
import { type Destination, parseDestination } from './destination.ts'
import { parseBool } from './go-values.ts'
import { parsePlatforms } from './platforms.ts'
import { buildArguments, pairOf, registryAccess } from './registry-options.ts'
import { parseSecrets } from './secrets.ts'
import type { Environment, ExecutorValues } from './values.ts'

/** What the executor was asked for: builds, and what it does around them. */
export interface ExecutorRequest {
  /** The build whose image is pushed. */
  readonly options: BuildOptions
  /** Stages that are built beside its own. */
  readonly otherTargets: readonly string[]
  readonly destinations: readonly Destination[]
  readonly files: ResultFiles
  readonly dryRun: boolean
}

/** Where facts about the image are written. A path is absolute; what begins with `https://` is a URL. */
export interface ResultFiles {
  readonly digest?: string
  readonly nameWithDigest?: string
  readonly nameTagWithDigest?: string
  /** A directory that gets a file `images`. */
  readonly builderOutput?: string
}

interface RequestParts {
  readonly values: ExecutorValues
  readonly environment: Environment
  /** Where relative paths begin. */
  readonly directory: string
}

/**
 * What a command line asks for. Mistakes are found in the order in which kaniko finds them.
 * @throws CommandError, FatalError
 */
export function toExecutorRequest({ values, environment, directory }: RequestParts): ExecutorRequest {
  const noPush = boolVariable('KANIKO_NO_PUSH', environment) ?? values.on('no-push')
  const platforms = parsePlatforms(values.text('custom-platform'))
  const secrets = parseSecrets(values.list('secret'), { environment, directory })
  if (values.list('destination').length === 0 && !noPush)
    throw new CommandError('you must provide --destination, or use --no-push')
  checkFormats(values)
  checkCache(values, noPush)
  const context = contextOptions({ values, environment, directory })
  const dockerfile = dockerfileOption(context, { values, environment, directory })
  const destinations = values.list('destination').map(parseDestination)
  const files = resultFiles({ values, environment, directory })
  const retries = Math.max(
    values.number('push-retry'),
    values.number('image-download-retry'),
    values.number('image-fs-extract-retry'),
  )
  const annotations = Object.entries(pairs(values, 'annotation')).map(([key, value]) => ({
    level: 'manifest' as const,
    key,
    value,
  }))
  const names = destinations.map(({ reference }) => reference)
  const [target, ...otherTargets] = values.list('target').map((name) => name.trim())
  const format = values.text('image-format')
  const options: BuildOptions = {
    ...context,
    dockerfile,
    tags: names,
    buildArgs: buildArguments(values.list('build-arg'), environment),
    ...(target === undefined ? {} : { target }),
    platforms,
    labels: pairs(values, 'label'),
    ...cacheOptions({ values, destinations, directory }),
    outputs: outputsOf({ values, environment, directory }, { destinations, noPush }),
    compression: compressionOf(values),
    imageFormat: format === 'docker' ? 'docker' : 'oci',
    rewriteTimestamp: false,
    executor: 'auto',
    secrets: [...secrets, ...context.secrets],
    frontend: 'dockerfile',
    cacheDir: storeDirectory(values, environment),
    ...(annotations.length === 0 ? {} : { annotations }),
    ...(values.on('reproducible') ? { reproducible: true } : {}),
    ...(values.on('single-snapshot') ? { singleLayer: true } : {}),
    ...(values.list('ignore-path').length === 0 ? {} : { ignoredPaths: values.list('ignore-path') }),
    ...(values.on('push-ignore-immutable-tag-errors') ? { ignoreImmutableTags: true } : {}),
    ...(retries > 0 ? { retries } : {}),
    ...(values.on('skip-push-permission-check') ? { skipPushCheck: true } : {}),
    ...registryAccess(
      values,
      destinations.map(({ repository }) => repository.split('/', 1)[0] ?? ''),
      context.environment,
    ),
  }
  return { options, otherTargets, destinations, files, dryRun: values.on('dryrun') }
}

function boolVariable(name: string, environment: Environment): boolean | undefined {
  const text = environment[name]
  if (text === undefined || text === '') return undefined
  const value = parseBool(text)
  if (value !== undefined) return value
  throw new FatalError(`invalid value ${JSON.stringify(text)} for ${name} environment variable`)
}

const FORMATS = ['', 'docker', 'oci']
const COMPRESSIONS = ['', 'gzip', 'zstd']

function checkFormats(values: ExecutorValues): void {
  const [compression, format] = [values.text('compression'), values.text('image-format')]
  if (!COMPRESSIONS.includes(compression))
    throw notOneOf('compression', compression, 'must be either "gzip" or "zstd"')
  if (!FORMATS.includes(format)) throw notOneOf('image-format', format, 'must be either "docker" or "oci"')
  const isTar = values.text('tar-path') !== ''
  if (compression === 'zstd' && format === 'docker')
    throw new CommandError(
      '--compression=zstd cannot be used with --image-format=docker, the Docker schema2 format has no zstd layer media type, use --image-format=oci',
    )
  if (isTar && format === 'oci')
    throw new CommandError(
      '--tar-path writes a Docker schema2 tarball and cannot be used with --image-format=oci, use --oci-layout-path to write an OCI image',
    )
  if (isTar && compression === 'zstd')
    throw new CommandError(
      '--compression=zstd cannot be used with --tar-path, the Docker schema2 tarball has no zstd layer media type, use --oci-layout-path for zstd layers',
    )
}

function notOneOf(flag: string, text: string, why: string): Error {
  return new CommandError(`invalid argument ${JSON.stringify(text)} for "--${flag}" flag: ${why}`)
}

function checkCache(values: ExecutorValues, noPush: boolean): void {
  const mode = values.text('snapshot-mode')
  if (!['full', 'redo', 'time'].includes(mode))
    throw new CommandError(`error building image: ${mode} is not a valid snapshot mode`)
  if (!values.on('cache') || !noPush || values.on('no-push-cache')) return
  if (values.text('cache-repo') === '')
    throw new CommandError(
      'cache flags invalid: if using cache with --no-push, specify cache repo with --cache-repo',
    )
}

function pairs(values: ExecutorValues, flag: 'label' | 'annotation'): Record<string, string> {
  return Object.fromEntries(
    values.list(flag).map((text) => {
      if (flag === 'label' && !text.includes('='))
        throw new CommandError(`error building image: labels must be of the form key=value, got ${text}`)
      return pairOf(text, flag)
    }),
  )
}

function compressionOf(values: ExecutorValues): LayerCompression {
  const type = values.text('compression') === 'zstd' ? 'zstd' : 'gzip'
  const level = values.number('compression-level')
  return level > 0 ? { type, level: Math.min(level, 9) } : { type }
}

/** What kaniko writes for a name where there is none. */
const UNNAMED = 'docker.io/unset-repo/unset-image-name:latest'

function outputsOf(
  { values, directory }: RequestParts,
  { destinations, noPush }: { readonly destinations: readonly Destination[]; readonly noPush: boolean },
): readonly OutputSpec[] {
  const [tar, layout] = [values.text('tar-path'), values.text('oci-layout-path')]
  const names = destinations.map(({ repository, tag: name }) => `${repository}:${name}`)
  // The first output is the one whose digest is told.
  const image: OutputSpec = { type: 'image', push: !noPush }
  const files: readonly OutputSpec[] = [
    ...(layout === ''
      ? []
      : [{ type: 'oci' as const, dest: resolve(directory, layout), tar: false, single: true }]),
    ...(tar === ''
      ? []
      : [
          {
            type: 'docker' as const,
            dest: resolve(directory, tar),
            flat: true,
            names: names.length === 0 ? [UNNAMED] : names,
          },
        ]),
  ]
  return noPush && files.length > 0 ? files : [image, ...files]
}

function resultFiles({ values, environment, directory }: RequestParts): ResultFiles {
  const withDigest = values.text('image-name-with-digest-file')
  const tagWithDigest = values.text('image-name-tag-with-digest-file')
  const hasDestination = values.list('destination').length > 0
  if (withDigest !== '' && !hasDestination)
    throw new CommandError('you must provide --destination if setting ImageNameDigestFile')
  if (tagWithDigest !== '' && !hasDestination)
    throw new CommandError('you must provide --destination if setting ImageNameTagDigestFile')
  const place = (text: string) =>
    text.startsWith('https://') || isAbsolute(text) ? text : resolve(directory, text)
  const digest = values.text('digest-file')
  const builderOutput = environment['BUILDER_OUTPUT'] ?? ''
  return {
    ...(digest === '' ? {} : { digest: place(digest) }),
    ...(withDigest === '' ? {} : { nameWithDigest: place(withDigest) }),
    ...(tagWithDigest === '' ? {} : { nameTagWithDigest: place(tagWithDigest) }),
    ...(builderOutput === '' ? {} : { builderOutput: resolve(directory, builderOutput) }),
  }
}

/** Who names a directory for kaniko's own files has room there. */
function storeDirectory(values: ExecutorValues, environment: Environment): string {
  const own = values.text('kaniko-dir') || (environment['KANIKO_DIR'] ?? '')
  return cacheDirectory(own === '' ? undefined : join(own, 'ossb'), environment)
}
