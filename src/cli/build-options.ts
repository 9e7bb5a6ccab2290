import type { BuildOptions, ExecutorChoice, LayerCompression } from '../index.ts'
import { parseAnnotationFlags } from './annotation-flags.ts'
import { attestationOptions } from './attestation-flags.ts'
import { cacheDirectory, type Environment } from './cache-directory.ts'
import { cacheOptions } from './cache-spec.ts'
import { type CallRequest, parseCall } from './call-spec.ts'
import { parseBuildArgs, parseBuildContexts, parseLabels } from './key-values.ts'
import type { BuildFlags } from './build-option-table.ts'
import { type OutputSettings, parseOutputs, writesToStandardOutput } from './output-spec.ts'
import { platformsOf } from './platform-list.ts'
import type { ProgressMode } from './progress/progress.ts'
import { pushOptions } from './push-flags.ts'
import { hostOf, registryAccess } from './registry-flags.ts'
import { runOptions } from './run-flags.ts'
import { usageError } from './usage-error.ts'

/** What `ossb build` was asked for: the build, and what the command line itself does around it. */
export interface BuildRequest {
  readonly options: BuildOptions
  /** What to say instead of building. */
  readonly call?: CallRequest
  readonly progress: ProgressMode | 'auto'
  /** Say why steps were, or were not, taken from a cache. */
  readonly explain: boolean
  readonly imageIdFile?: string
  readonly metadataFile?: string
  readonly profileFile?: string
}

export interface BuildCommandLine {
  readonly context: string
  readonly flags: BuildFlags
  readonly environment: Environment
  readonly stdoutIsTerminal: boolean
}

/** @throws OssbError ERR_OSSB_USAGE that names the flag that is wrong */
export function toBuildRequest(line: BuildCommandLine): BuildRequest {
  const { flags, environment } = line
  const registry = registryOf(flags.registry)
  const { outputs, settings } = parseOutputs(flags.output, {
    push: flags.push,
    tagged: flags.tag.length > 0,
    stdoutIsTerminal: line.stdoutIsTerminal,
  })
  const options: BuildOptions = {
    context: line.context,
    buildContexts: parseBuildContexts(flags['build-context']),
    ...(flags.file === undefined ? {} : { dockerfile: flags.file }),
    tags: flags.tag,
    ...(registry === undefined ? {} : { registry }),
    buildArgs: parseBuildArgs(flags['build-arg'], environment),
    ...(flags.target === undefined ? {} : { target: flags.target }),
    platforms: platformsOf(flags.platform),
    labels: parseLabels(flags.label),
    ...imageOptions(flags, settings),
    noCache: flags['no-cache'],
    outputs,
    compression: compressionOf(flags, settings),
    imageFormat: imageFormatOf(flags, settings),
    rewriteTimestamp: settings.rewriteTimestamp ?? false,
    executor: executorOf(flags),
    ...runOptions(flags, environment),
    ...pushOptions(flags),
    frontend: flags.frontend ?? 'dockerfile',
    cacheDir: cacheDirectory(flags['cache-dir'], environment),
    ...lockOptions(flags),
    ...cacheOptions(flags, registryAccess(flags, environment)),
  }
  checkImageIdFile(flags, options)
  checkHasImage(flags, outputs)
  const call = parseCall(flags)
  return {
    options,
    ...(call === undefined ? {} : { call }),
    explain: flags.explain,
    progress: flags.quiet ? 'quiet' : (flags.progress ?? 'auto'),
    ...(flags.iidfile === undefined ? {} : { imageIdFile: flags.iidfile }),
    ...(flags['metadata-file'] === undefined ? {} : { metadataFile: flags['metadata-file'] }),
    ...(flags.profile === undefined ? {} : { profileFile: flags.profile }),
  }
}

/** What goes into manifests and layers beside what the Dockerfile says; what is not said is absent. */
function imageOptions(
  flags: BuildFlags,
  { forceCompression = false }: OutputSettings,
): Pick<BuildOptions, 'annotations' | 'reproducible' | 'provenance' | 'sbom' | 'forceCompression'> {
  const { annotation, reproducible } = flags
  const annotations = parseAnnotationFlags(annotation)
  return {
    ...(annotations.length === 0 ? {} : { annotations }),
    ...(reproducible ? { reproducible } : {}),
    ...attestationOptions(flags),
    ...(forceCompression ? { forceCompression } : {}),
  }
}

function checkHasImage({ annotation }: BuildFlags, outputs: BuildOptions['outputs']): void {
  const [first] = annotation
  if (
    first === undefined ||
    outputs.length === 0 ||
    outputs.some(({ type }) => type !== 'local' && type !== 'tar')
  )
    return
  throw usageError(
    `Cannot use --annotation "${first}": no output holds an image`,
    'Use an output that does: image, registry or oci.',
  )
}

function lockOptions({
  inputs,
  locked,
  lock,
}: BuildFlags): Pick<BuildOptions, 'inputs' | 'locked' | 'lockFile'> {
  if (lock !== undefined && !locked)
    throw usageError(
      `Cannot use --lock ${lock} without --locked`,
      'Add --locked to build only from what it says.',
    )
  return {
    ...(inputs === undefined ? {} : { inputs }),
    ...(locked ? { locked } : {}),
    ...(lock === undefined ? {} : { lockFile: lock }),
  }
}

function compressionOf(flags: BuildFlags, settings: OutputSettings): LayerCompression {
  const type = oneOf('compression', flags.compression, settings.compression) ?? 'gzip'
  const level = oneOf('compression-level', flags['compression-level'], settings.compressionLevel)
  if (level === undefined) return { type }
  if (type === 'uncompressed')
    throw usageError(
      `Cannot use compression level ${level} with compression "uncompressed"`,
      'Leave out --compression-level.',
    )
  const highest = type === 'zstd' ? 22 : 9
  if (!/^[1-9]\d?$/.test(level) || Number(level) > highest)
    throw usageError(
      `Cannot use "${level}" for --compression-level: it is not a number from 1 to ${highest}`,
      `1 is fast, ${highest} is small.`,
    )
  return { type, level: Number(level) }
}

function imageFormatOf(flags: BuildFlags, settings: OutputSettings): 'oci' | 'docker' {
  return oneOf('image-format', flags['image-format'], settings.imageFormat) ?? 'oci'
}

/** What a flag and an attribute of --output say, when they do not contradict each other. */
function oneOf<T>(flag: string, value: T | undefined, attribute: T | undefined): T | undefined {
  if (value !== undefined && attribute !== undefined && value !== attribute)
    throw usageError(
      `Cannot use --${flag} ${String(value)} with an --output that says ${String(attribute)}`,
      'Say it once.',
    )
  return value ?? attribute
}

function executorOf(flags: BuildFlags): ExecutorChoice {
  if (!flags.rootless) return flags.executor ?? 'auto'
  if (flags.executor !== undefined && flags.executor !== 'auto' && flags.executor !== 'rootless')
    throw usageError(`Cannot use --rootless with --executor ${flags.executor}`, 'Give one of them.')
  return 'rootless'
}

function registryOf(text: string | undefined): string | undefined {
  return text === undefined ? undefined : hostOf(text.replace(/\/+$/, ''), 'registry')
}

function checkImageIdFile(flags: BuildFlags, options: BuildOptions): void {
  const files = options.outputs.filter(({ type }) => type === 'local' || type === 'tar')
  if (flags.iidfile !== undefined && files.length > 0)
    throw usageError(
      'Cannot use --iidfile: local and tar exporters are incompatible with image ID file',
      'Use an output that holds an image: image, registry, oci or docker.',
    )
}

/** True when standard output carries the result of the build, so that nothing else may be printed there. */
export function standardOutputIsTaken(options: BuildOptions): boolean {
  return options.outputs.some(writesToStandardOutput)
}
