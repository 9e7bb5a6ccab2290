import type { Platform } from '../../core/index.ts'
import type { Healthcheck, HistoryEntry, ImageConfig, RuntimeConfig } from '../../oci/index.ts'
import { appended, itemsOf, type LinkedList } from './linked-list.ts'

export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

const COMMENT = 'buildkit.dockerfile.v0'
/** Stands at history entries that exist only because a base image does not account for all its layers. */
const FILLER_COMMENT = 'buildkit.exporter.image.v0'

/** A name and what it is set to. */
type Setting = readonly [name: string, value: string]

/**
 * An image config while a stage writes it; an absent member is one that the config does not have. What grows is only
 * ever added to, so that a shallow copy is a copy, and takes no longer for a large config.
 */
export interface ImageState {
  platform: Pick<ImageConfig, 'architecture' | 'os' | 'variant' | 'os.version' | 'os.features'>
  author?: string
  user?: string
  env: LinkedList<Setting>
  exposedPorts: LinkedList<string>
  entrypoint?: readonly string[]
  cmd?: readonly string[]
  volumes: LinkedList<string>
  workingDir?: string
  labels: LinkedList<Setting>
  stopSignal?: string
  argsEscaped?: boolean
  healthcheck?: Healthcheck
  onBuild: LinkedList<string>
  shell?: readonly string[]
  history: LinkedList<HistoryEntry>
  /** How many entries of `history` the base image brought. */
  baseHistory: number
}

/** The config that FROM scratch begins with. */
export function scratchImage(platform: Platform): ImageState {
  const { os, architecture, variant } = platform
  return {
    platform: {
      architecture,
      os,
      ...(variant === undefined ? {} : { variant }),
      ...(platform['os.version'] === undefined ? {} : { 'os.version': platform['os.version'] }),
    },
    env: appended(undefined, [['PATH', DEFAULT_PATH]]),
    exposedPorts: undefined,
    volumes: undefined,
    workingDir: '/',
    labels: undefined,
    onBuild: undefined,
    history: undefined,
    baseHistory: 0,
  }
}

/** The config of a base image, as the start of a stage. */
export function imageFromConfig(base: ImageConfig): ImageState {
  const config = base.config ?? {}
  const history = accountForLayers(base)
  const env = new Map((config.Env ?? []).map(splitVariable))
  if (!env.has('PATH')) env.set('PATH', DEFAULT_PATH)
  return {
    platform: platformFields(base),
    ...defined('author', base.author),
    ...defined('user', config.User),
    env: appended(undefined, env),
    exposedPorts: appended(undefined, Object.keys(config.ExposedPorts ?? {})),
    ...defined('entrypoint', config.Entrypoint),
    ...defined('cmd', config.Cmd),
    volumes: appended(undefined, Object.keys(config.Volumes ?? {})),
    ...defined('workingDir', config.WorkingDir),
    labels: appended(undefined, Object.entries(config.Labels ?? {})),
    ...defined('stopSignal', config.StopSignal),
    ...defined('argsEscaped', config.ArgsEscaped),
    ...defined('healthcheck', config.Healthcheck),
    onBuild: appended(undefined, config.OnBuild ?? []),
    ...defined('shell', config.Shell),
    history: appended(undefined, history),
    baseHistory: history.length,
  }
}

function platformFields(base: ImageConfig): ImageState['platform'] {
  return {
    architecture: base.architecture,
    os: base.os,
    ...defined('variant', base.variant),
    ...defined('os.version', base['os.version']),
    ...defined('os.features', base['os.features']),
  }
}

function defined<Name extends string, Value>(
  name: Name,
  value: Value | undefined,
): { [Key in Name]?: Value } {
  return value === undefined ? {} : ({ [name]: value } as { [Key in Name]?: Value })
}

function splitVariable(variable: string): [string, string] {
  const equals = variable.indexOf('=')
  return equals === -1 ? [variable, ''] : [variable.slice(0, equals), variable.slice(equals + 1)]
}

/**
 * A base image's history with exactly one entry with a layer for each of its layers. Some builders write none at all,
 * and some forget to mark the empty ones.
 */
function accountForLayers(base: ImageConfig): readonly HistoryEntry[] {
  const layers = base.rootfs.diff_ids.length
  let seen = 0
  const history = (base.history ?? []).map((entry) => {
    if (entry.empty_layer === true) return entry
    seen += 1
    return seen > layers ? { ...entry, empty_layer: true } : entry
  })
  const missing = Math.max(0, layers - seen)
  return [...history, ...Array.from({ length: missing }, () => ({ comment: FILLER_COMMENT }))]
}

export function addHistory(image: ImageState, createdBy: string, layer: 'layer' | 'empty'): void {
  const entry = {
    created_by: createdBy,
    comment: COMMENT,
    ...(layer === 'empty' ? { empty_layer: true } : {}),
  }
  image.history = appended(image.history, [entry])
}

/** The finished config. `labels` come last, over those of the Dockerfile. */
export function finishConfig(
  image: ImageState,
  labels: Readonly<Record<string, string>>,
): Omit<ImageConfig, 'rootfs'> {
  return {
    ...image.platform,
    ...defined('author', image.author),
    config: runtimeConfig(image, new Map([...itemsOf(image.labels), ...Object.entries(labels)])),
    history: itemsOf(image.history),
  }
}

function runtimeConfig(image: ImageState, labels: ReadonlyMap<string, string>): RuntimeConfig {
  const env = variables(new Map(itemsOf(image.env)))
  const onBuild = itemsOf(image.onBuild)
  return {
    ...defined('User', image.user === '' ? undefined : image.user),
    ...defined('ExposedPorts', keySet(image.exposedPorts)),
    ...defined('Env', env.length === 0 ? undefined : env),
    ...defined('Entrypoint', image.entrypoint),
    ...defined('Cmd', image.cmd),
    ...defined('Volumes', keySet(image.volumes)),
    ...defined('WorkingDir', image.workingDir === '' ? undefined : image.workingDir),
    ...defined('Labels', labels.size === 0 ? undefined : Object.fromEntries([...labels].sort(byName))),
    ...defined('StopSignal', image.stopSignal === '' ? undefined : image.stopSignal),
    ...defined('ArgsEscaped', image.argsEscaped),
    ...defined('Healthcheck', image.healthcheck),
    ...defined('OnBuild', onBuild.length === 0 ? undefined : onBuild),
    ...defined('Shell', image.shell),
  }
}

/** `NAME=value`, in order. */
export function variables(env: Iterable<Setting>): readonly string[] {
  return Array.from(env, ([name, value]) => `${name}=${value}`)
}

function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function keySet(list: LinkedList<string>): Record<string, object> | undefined {
  const names = new Set(itemsOf(list))
  return names.size === 0 ? undefined : Object.fromEntries([...names].sort().map((name) => [name, {}]))
}
