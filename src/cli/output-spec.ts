import type { AnnotationSpec, LayerCompression, OutputSpec } from '../index.ts'
import { annotationAttribute } from './annotation-flags.ts'
import { splitCsv } from './csv.ts'
import { usageError } from './usage-error.ts'

/** Attributes of an output that hold for the whole build. */
export interface OutputSettings {
  readonly compression?: LayerCompression['type']
  readonly compressionLevel?: string
  readonly imageFormat?: 'oci' | 'docker'
  readonly rewriteTimestamp?: boolean
  readonly forceCompression?: boolean
}

export interface ParsedOutputs {
  readonly outputs: readonly OutputSpec[]
  readonly settings: OutputSettings
}

export interface OutputContext {
  /** `--push`: push what the outputs keep as an image, or an image of its own. */
  readonly push: boolean
  /** There is at least one `--tag`. */
  readonly tagged: boolean
  readonly stdoutIsTerminal: boolean
}

type Attributes = ReadonlyMap<string, string>

const COMMON_KEYS = [
  'name',
  'compression',
  'compression-level',
  'force-compression',
  'oci-mediatypes',
  'rewrite-timestamp',
] as const

/** A type of output: the keys it takes besides `type`, and what they come to. */
interface OutputType {
  readonly keys: readonly string[]
  readonly read: (attributes: Attributes, text: string) => OutputSpec
}

const TYPES: ReadonlyMap<string, OutputType> = new Map(
  Object.entries<OutputType>({
    image: {
      keys: ['push', ...COMMON_KEYS],
      read: (attributes) => ({
        type: 'image',
        push: flagOf(attributes, 'push', false),
        ...namesOf(attributes),
      }),
    },
    registry: {
      keys: COMMON_KEYS,
      read: (attributes) => ({ type: 'image', push: true, ...namesOf(attributes) }),
    },
    oci: { keys: ['dest', 'tar', ...COMMON_KEYS], read: readOci },
    docker: { keys: ['dest', 'tar', ...COMMON_KEYS], read: readDocker },
    tar: {
      keys: ['dest', 'platform-split'],
      read: (attributes) => ({ type: 'tar', dest: destOf(attributes) ?? '-', ...splitOf(attributes) }),
    },
    local: { keys: ['dest', 'platform-split'], read: readLocal },
  }),
)

const WORDS: ReadonlyMap<string, OutputSpec> = new Map(
  Object.entries<OutputSpec>({
    image: { type: 'image', push: false },
    registry: { type: 'image', push: true },
    tar: { type: 'tar', dest: 'rootfs.tar' },
    local: { type: 'local', dest: 'rootfs' },
    '-': { type: 'tar', dest: '-' },
  }),
)

/**
 * Reads every `--output`: a word, a bare path, "-", or `type=…,key=value`.
 * @throws OssbError ERR_OSSB_USAGE
 */
export function parseOutputs(texts: readonly string[], context: OutputContext): ParsedOutputs {
  const parsed = texts.map(parseOutput)
  const outputs = withPush(
    parsed.map(({ output }) => output),
    context.push,
  )
  checkNames(outputs, context.tagged)
  checkStandardOutput(outputs, context.stdoutIsTerminal)
  return { outputs, settings: mergeSettings(parsed.map(({ settings }) => settings)) }
}

function parseOutput(text: string): { readonly output: OutputSpec; readonly settings: OutputSettings } {
  const word = WORDS.get(text)
  if (word !== undefined) return { output: word, settings: {} }
  if (text === 'oci' || text === 'docker')
    throw usageError(
      `Cannot use --output ${text}: it does not say where to`,
      `Write --output type=${text},dest=FILE; for a directory of that name write ./${text}.`,
    )
  const fields = splitCsv(text, '--output')
  if (fields.length === 1 && !/^[a-z-]+\s*=/i.test(text))
    return { output: { type: 'local', dest: text }, settings: {} }
  const attributes = readAttributes(fields, text)
  const type = typeOf(attributes, text)
  return { output: type.read(attributes, text), settings: settingsOf(attributes) }
}

function readAttributes(fields: readonly string[], text: string): Attributes {
  return new Map(
    fields.map((field): [string, string] => {
      const equals = field.indexOf('=')
      if (equals === -1)
        throw usageError(
          `Cannot use --output "${text}": "${field}" is not KEY=VALUE`,
          'Write for example --output type=oci,dest=app.tar; quote a value that holds commas.',
        )
      return [field.slice(0, equals).trim().toLowerCase(), field.slice(equals + 1)]
    }),
  )
}

/** The type that the attributes name; it knows all of them. */
function typeOf(attributes: Attributes, text: string): OutputType {
  const name = attributes.get('type')
  const type = name === undefined ? undefined : TYPES.get(name)
  if (type === undefined)
    throw usageError(
      `Cannot use --output "${text}": ${name === undefined ? 'type is required for output' : `there is no type "${name}"`}`,
      `The types are ${[...TYPES.keys()].join(', ')}.`,
    )
  const takesAnnotations = type.keys.includes('name')
  const unknown = [...attributes].find(
    ([key, value]) =>
      key !== 'type' &&
      !type.keys.includes(key) &&
      !(takesAnnotations && annotationAttribute(key, value) !== undefined),
  )?.[0]
  if (unknown !== undefined)
    throw usageError(
      `Cannot use --output "${text}": type=${name} has no "${unknown}"`,
      `It takes ${type.keys.join(', ')}.`,
    )
  return type
}

function readOci(attributes: Attributes, text: string): OutputSpec {
  const tar = flagOf(attributes, 'tar', true)
  const dest = destOf(attributes) ?? '-'
  if (!tar && dest === '-')
    throw usageError(`Cannot use --output "${text}": a layout directory needs dest`, 'Write dest=DIRECTORY.')
  return { type: 'oci', dest, tar, ...namesOf(attributes) }
}

function readDocker(attributes: Attributes, text: string): OutputSpec {
  if (!flagOf(attributes, 'tar', true))
    throw usageError(
      `Cannot use --output "${text}": a docker archive is one tar file`,
      'Leave out tar=false, or write type=oci,tar=false for a layout directory.',
    )
  return { type: 'docker', dest: destOf(attributes) ?? '-', ...namesOf(attributes) }
}

function readLocal(attributes: Attributes, text: string): OutputSpec {
  const dest = destOf(attributes)
  if (dest === undefined || dest === '-')
    throw usageError(
      `Cannot use --output "${text}": ${dest === undefined ? 'dest is required for local exporter' : 'dest cannot be stdout for local exporter'}`,
      'Write dest=DIRECTORY, or use type=tar for standard output.',
    )
  return { type: 'local', dest, ...splitOf(attributes) }
}

function splitOf(attributes: Attributes): { platformSplit?: boolean } {
  return attributes.has('platform-split') ? { platformSplit: flagOf(attributes, 'platform-split', true) } : {}
}

function destOf(attributes: Attributes): string | undefined {
  const dest = attributes.get('dest')
  return dest === '' ? undefined : dest
}

function namesOf(attributes: Attributes): {
  names?: readonly string[]
  annotations?: readonly AnnotationSpec[]
} {
  const names = (attributes.get('name') ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
  const annotations = [...attributes].flatMap(([key, value]) => annotationAttribute(key, value) ?? [])
  return {
    ...(names.length === 0 ? {} : { names }),
    ...(annotations.length === 0 ? {} : { annotations }),
  }
}

function flagOf(attributes: Attributes, key: string, absent: boolean): boolean {
  const value = attributes.get(key)
  if (value === undefined) return absent
  if (['true', '1', ''].includes(value)) return true
  if (['false', '0'].includes(value)) return false
  throw usageError(`Cannot use "${value}" for ${key} of --output`, `Write ${key}=true or ${key}=false.`)
}

function settingsOf(attributes: Attributes): OutputSettings {
  const compression = attributes.get('compression')
  const compressionLevel = attributes.get('compression-level')
  return {
    ...(compression === undefined ? {} : { compression: compressionOf(compression) }),
    ...(compressionLevel === undefined ? {} : { compressionLevel }),
    ...(attributes.has('oci-mediatypes')
      ? { imageFormat: flagOf(attributes, 'oci-mediatypes', true) ? 'oci' : 'docker' }
      : {}),
    ...(attributes.has('force-compression')
      ? { forceCompression: flagOf(attributes, 'force-compression', false) }
      : {}),
    ...(attributes.has('rewrite-timestamp')
      ? { rewriteTimestamp: flagOf(attributes, 'rewrite-timestamp', false) }
      : {}),
  }
}

function compressionOf(word: string): LayerCompression['type'] {
  const known = (['gzip', 'zstd', 'estargz', 'uncompressed'] as const).find((type) => type === word)
  if (known !== undefined) return known
  throw usageError(
    `Cannot use "${word}" for compression of --output: there is no such compression`,
    'Choose one of gzip, zstd, estargz, uncompressed.',
  )
}

/** A build compresses once: outputs that say how must agree. */
function mergeSettings(settings: readonly OutputSettings[]): OutputSettings {
  const merged: Record<string, unknown> = {}
  for (const [key, value] of settings.flatMap((one) => Object.entries(one))) {
    if (key in merged && merged[key] !== value)
      throw usageError(
        `Cannot use several values for ${key} of --output: "${String(merged[key])}" and "${String(value)}"`,
        'All outputs of one build share their layers; give the same value, or build twice.',
      )
    merged[key] = value
  }
  return merged
}

function withPush(outputs: readonly OutputSpec[], push: boolean): readonly OutputSpec[] {
  if (!push) return outputs
  return outputs.some(({ type }) => type === 'image')
    ? outputs.map((output) => (output.type === 'image' ? { ...output, push: true } : output))
    : [...outputs, { type: 'image', push: true }]
}

function checkNames(outputs: readonly OutputSpec[], tagged: boolean): void {
  const nameless = outputs.some(
    (output) => output.type === 'image' && output.push && output.names === undefined && !tagged,
  )
  if (nameless)
    throw usageError(
      'Cannot push: tag is needed when pushing to registry',
      'Name the image with -t REGISTRY/NAME:TAG.',
    )
}

function checkStandardOutput(outputs: readonly OutputSpec[], isTerminal: boolean): void {
  const toStandardOutput = outputs.filter(writesToStandardOutput)
  const [first] = toStandardOutput
  if (first === undefined) return
  if (toStandardOutput.length > 1)
    throw usageError(
      'Cannot use --output: multiple outputs configured to write to stdout',
      'Give all but one of them a dest.',
    )
  if (isTerminal)
    throw usageError(
      `Cannot use --output type=${first.type} without dest: dest file is required for ${first.type} exporter, refusing to write to console`,
      `Write --output type=${first.type},dest=FILE, or send standard output to a file or pipe.`,
    )
}

/** True when the bytes of this output are what standard output carries. */
export function writesToStandardOutput(output: OutputSpec): boolean {
  return output.type !== 'image' && output.dest === '-'
}
