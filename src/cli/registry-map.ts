import type { RegistryAccess, RegistryLocation, RegistryMap } from '../index.ts'
import type { RegistryFlags } from './option-table.ts'
import { usageError } from './usage-error.ts'

type MapFlags = Pick<RegistryFlags, 'registry-mirror' | 'registry-map'>

/** Docker Hub, whose mirrors `--registry-mirror` names. */
const HUB = 'docker.io'

/**
 * `--registry-map FROM=TO[/PREFIX]` and `--registry-mirror HOST[/PREFIX]`, in the order in which they are to be asked.
 * Several in one value are set apart by `,` or, as kaniko has it, by `;`. A TO without FROM is one more for the FROM
 * before it.
 */
export function registryMaps(
  flags: MapFlags,
  environment: RegistryAccess['environment'],
): readonly RegistryMap[] {
  // One variable serves many builds, and need not be of use to each.
  const isStandIn = flags['registry-map'][0] === environment['OSSB_REGISTRY_MAP']
  const mapped = flags['registry-map'].flatMap((text) => mapsOf(text, { warnUnused: !isStandIn }))
  const mirrors = flags['registry-mirror']
    .flatMap(parts)
    .map((text) => ({ registry: HUB, mirrors: [parseLocation(text, { flag: 'registry-mirror', text })] }))
  return [...mapped, ...mirrors]
}

function parts(text: string): readonly string[] {
  return text
    .split(/[;,]/)
    .map((part) => part.trim())
    .filter((part) => part !== '')
}

function mapsOf(text: string, { warnUnused }: { readonly warnUnused: boolean }): readonly RegistryMap[] {
  let registry: string | undefined
  return parts(text).map((part) => {
    const equals = part.indexOf('=')
    if (equals !== -1) registry = parseRegistry(part.slice(0, equals).trim(), text)
    if (registry === undefined)
      throw wrong({ flag: 'registry-map', text }, `"${part}" does not say for which registry`)
    const mirrors = [parseLocation(part.slice(equals + 1).trim(), { flag: 'registry-map', text })]
    return { registry, mirrors, ...(warnUnused ? { warnUnused } : {}) }
  })
}

const HOST = /^(?:\[[0-9a-f:]+\]|[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::\d+)?$/i
const PATH = /^[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:\/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*$/

function parseRegistry(name: string, text: string): string {
  const registry = name.replace(/^https?:\/\//, '').replace(/\/+$/, '')
  if (HOST.test(registry)) return registry
  throw wrong({ flag: 'registry-map', text }, `"${name}" is not a registry: HOST[:PORT]`)
}

/** A flag with all of its value, for messages. */
interface Given {
  readonly flag: keyof MapFlags
  readonly text: string
}

/** The first slash ends the host: what follows is a path, dots or not. */
function parseLocation(part: string, { flag, text }: Given): RegistryLocation {
  const [, scheme, host = '', path = ''] = /^(https?:\/\/)?([^/]*)\/?(.*?)\/*$/i.exec(part) ?? []
  if (!HOST.test(host)) throw wrong({ flag, text }, `"${host}" is not a registry: HOST[:PORT]`)
  if (path !== '' && !PATH.test(path))
    throw wrong({ flag, text }, `"${path}" can't be part of the name of a repository`)
  const insecure = scheme?.toLowerCase() === 'http://'
  return { host, ...(path === '' ? {} : { prefix: path }), ...(insecure ? { insecure } : {}) }
}

function wrong({ flag, text }: Given, why: string): Error {
  const form = flag === 'registry-map' ? 'FROM=HOST[:PORT][/PREFIX]' : 'HOST[:PORT][/PREFIX]'
  return usageError(`Cannot use "${text}" for --${flag}: ${why}`, `Write --${flag} ${form}.`)
}
