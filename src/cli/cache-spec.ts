import { resolve } from 'node:path'
import type { BuildOptions, CacheSourceSpec, CacheTargetSpec, RegistryAccess } from '../index.ts'
import { splitCsv } from './csv.ts'
import type { BuildFlags } from './build-option-table.ts'
import { usageError } from './usage-error.ts'

type Attributes = ReadonlyMap<string, string>

/** One `--cache-from` or `--cache-to`, taken apart. */
interface Spec {
  readonly flag: '--cache-from' | '--cache-to'
  readonly text: string
  readonly attributes: Attributes
}

interface CacheType<T> {
  readonly keys: readonly string[]
  readonly read: (spec: Spec) => T
}

const FORM_KEYS = ['mode', 'image-manifest', 'oci-mediatypes', 'ignore-error'] as const

const SOURCES: ReadonlyMap<string, CacheType<CacheSourceSpec>> = new Map(
  Object.entries<CacheType<CacheSourceSpec>>({
    registry: {
      keys: ['ref', 'registry.insecure'],
      read: (spec) => ({ type: 'registry', ref: required(spec, 'ref') }),
    },
    local: {
      keys: ['src', 'tag', 'digest'],
      read: (spec) => ({
        type: 'local',
        src: resolve(required(spec, 'src')),
        name: spec.attributes.get('digest') ?? spec.attributes.get('tag') ?? 'latest',
      }),
    },
    kaniko: {
      keys: ['ref', 'ttl', 'registry.insecure'],
      read: (spec) => ({ type: 'kaniko', repository: required(spec, 'ref'), ttlMs: ttlOf(spec) }),
    },
  }),
)

const TARGETS: ReadonlyMap<string, CacheType<CacheTargetSpec>> = new Map(
  Object.entries<CacheType<CacheTargetSpec>>({
    registry: {
      keys: ['ref', 'registry.insecure', ...FORM_KEYS],
      read: (spec) => ({ type: 'registry', ref: required(spec, 'ref'), ...formOf(spec) }),
    },
    local: {
      keys: ['dest', 'tag', ...FORM_KEYS],
      read: (spec) => ({
        type: 'local',
        dest: resolve(required(spec, 'dest')),
        tag: spec.attributes.get('tag') ?? 'latest',
        ...formOf(spec),
      }),
    },
    inline: { keys: [], read: () => ({ type: 'inline' }) },
    kaniko: {
      keys: ['ref', 'ttl', 'registry.insecure', 'ignore-error'],
      read: (spec) => ({
        type: 'kaniko',
        repository: required(spec, 'ref'),
        ttlMs: ttlOf(spec),
        ignoreError: flagOf(spec, 'ignore-error', true),
      }),
    },
  }),
)

/**
 * What `--cache-from` and `--cache-to` come to; registries that they call insecure are so for the whole build.
 * @throws OssbError ERR_OSSB_USAGE
 */
export function cacheOptions(
  flags: Pick<BuildFlags, 'cache-from' | 'cache-to' | 'build-arg'>,
  access: RegistryAccess,
): RegistryAccess & Pick<BuildOptions, 'cacheFrom' | 'cacheTo'> {
  const from = flags['cache-from'].flatMap((text) => specsOf('--cache-from', text))
  const to = flags['cache-to'].flatMap((text) => specsOf('--cache-to', text))
  const insecure = [...from, ...to]
    .filter((spec) => flagOf(spec, 'registry.insecure', false))
    .map((spec) => required(spec, 'ref').replace(/\/.*$/, ''))
  const cacheFrom = from.map((spec) => read(spec, SOURCES))
  const named = to.map((spec) => read(spec, TARGETS))
  // BuildKit's older way to say it.
  const isInline = flags['build-arg'].includes('BUILDKIT_INLINE_CACHE=1')
  const cacheTo = isInline ? [...named, { type: 'inline' } as const] : named
  return {
    ...access,
    ...(insecure.length === 0
      ? {}
      : { insecureRegistries: [...new Set([...access.insecureRegistries, ...insecure])] }),
    ...(cacheFrom.length === 0 ? {} : { cacheFrom }),
    ...(cacheTo.length === 0 ? {} : { cacheTo }),
  }
}

/** A bare reference, or several with commas, is a cache in a registry. */
function specsOf(flag: Spec['flag'], text: string): readonly Spec[] {
  const fields = splitCsv(text, flag)
  if (!fields.some((field) => field.includes('=')))
    return fields.map((ref) => ({
      flag,
      text,
      attributes: new Map([
        ['type', 'registry'],
        ['ref', ref.trim()],
      ]),
    }))
  const attributes = fields.map((field): [string, string] => {
    const equals = field.indexOf('=')
    if (equals === -1)
      throw usageError(
        `Cannot use ${flag} "${text}": "${field}" is not KEY=VALUE`,
        `Write for example ${flag} type=registry,ref=registry.example.com/app:cache.`,
      )
    return [field.slice(0, equals).trim().toLowerCase(), field.slice(equals + 1)]
  })
  return [{ flag, text, attributes: new Map(attributes) }]
}

function read<T>(spec: Spec, types: ReadonlyMap<string, CacheType<T>>): T {
  const { flag, text, attributes } = spec
  const name = attributes.get('type')
  const type = name === undefined ? undefined : types.get(name)
  if (type === undefined)
    throw usageError(
      `Cannot use ${flag} "${text}": ${name === undefined ? 'it has no type' : `there is no type "${name}"`}`,
      `The types are ${[...types.keys()].join(', ')}.`,
    )
  const unknown = [...attributes.keys()].find((key) => key !== 'type' && !type.keys.includes(key))
  if (unknown !== undefined)
    throw usageError(
      `Cannot use ${flag} "${text}": type=${name} has no "${unknown}"`,
      type.keys.length === 0 ? 'It takes nothing else.' : `It takes ${type.keys.join(', ')}.`,
    )
  return type.read(spec)
}

function required({ flag, text, attributes }: Spec, key: string): string {
  const value = attributes.get(key)
  if (value !== undefined && value !== '') return value
  throw usageError(`Cannot use ${flag} "${text}": ${key} is missing`, `Write ${key}=….`)
}

function formOf(
  spec: Spec,
): Pick<Extract<CacheTargetSpec, { type: 'registry' }>, 'mode' | 'form' | 'ignoreError'> {
  const { flag, text, attributes } = spec
  const mode = attributes.get('mode') ?? 'min'
  if (mode !== 'min' && mode !== 'max')
    throw usageError(
      `Cannot use ${flag} "${text}": there is no mode "${mode}"`,
      'Write mode=min or mode=max.',
    )
  const isOci = flagOf(spec, 'oci-mediatypes', true)
  const isManifest = flagOf(spec, 'image-manifest', isOci)
  if (isManifest && !isOci)
    throw usageError(
      `Cannot use ${flag} "${text}": image-manifest=true needs oci-mediatypes=true`,
      'Leave out one of them.',
    )
  return {
    mode,
    form: isManifest ? 'manifest' : isOci ? 'index' : 'docker',
    ignoreError: flagOf(spec, 'ignore-error', true),
  }
}

function flagOf({ flag, text, attributes }: Spec, key: string, absent: boolean): boolean {
  const value = attributes.get(key)
  if (value === undefined) return absent
  if (value === 'true' || value === '1') return true
  if (value === 'false' || value === '0') return false
  throw usageError(`Cannot use ${flag} "${text}": ${key} is "${value}"`, `Write ${key}=true or ${key}=false.`)
}

const HOUR_MS = 3_600_000
/** kaniko's own. */
const TTL_MS = 336 * HOUR_MS

function ttlOf({ flag, text, attributes }: Spec): number {
  const value = attributes.get('ttl')
  if (value === undefined) return TTL_MS
  const match = /^(\d+)(h|m|s)$/.exec(value)
  if (match === null)
    throw usageError(
      `Cannot use ${flag} "${text}": ttl is "${value}"`,
      'Write it in hours, minutes or seconds: ttl=336h.',
    )
  return Number(match[1]) * { h: HOUR_MS, m: 60_000, s: 1000 }[match[2] as 'h' | 'm' | 's']
}
