import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { errnoOf, OssbError } from '../../core/index.ts'
import { parseRegistriesConf, type RegistryRule } from './registries-conf.ts'

export interface RouteFileOptions {
  readonly environment: Readonly<Record<string, string | undefined>>
  /** The one registries.conf to read, which must be there; absent is where Podman has them. */
  readonly registriesConf?: string
}

/**
 * What registries.conf says: the named one alone, or that of CONTAINERS_REGISTRIES_CONF; else the user's own or, where
 * there is none, the system's, and then the `*.conf` files in the directories registries.conf.d beside them, by name. Of
 * two rules for one prefix the later counts.
 * @throws OssbError ERR_OSSB_USAGE for a file that is named and not there, or makes no sense
 */
export async function readRouteFiles({
  environment,
  registriesConf,
}: RouteFileOptions): Promise<readonly RegistryRule[]> {
  const named = registriesConf ?? (environment['CONTAINERS_REGISTRIES_CONF'] || undefined)
  if (named !== undefined) return merged([await readNamed(named)])
  const home = environment['HOME']
  const own = environment['XDG_CONFIG_HOME'] || (home ? join(home, '.config') : undefined)
  const users = own === undefined ? undefined : join(own, 'containers/registries.conf')
  const system = '/etc/containers/registries.conf'
  const usersRules = users === undefined ? undefined : await readIfThere(users)
  const dropIns = [
    ...(usersRules === undefined ? [`${system}.d`] : []),
    ...(users === undefined ? [] : [`${users}.d`]),
  ]
  const files = (await Promise.all(dropIns.map(confFiles))).flat()
  return merged([usersRules ?? (await readIfThere(system)), ...(await Promise.all(files.map(readIfThere)))])
}

function merged(files: readonly (readonly RegistryRule[] | undefined)[]): readonly RegistryRule[] {
  return [...new Map(files.flatMap((rules) => (rules ?? []).map((rule) => [rule.prefix, rule]))).values()]
}

async function confFiles(directory: string): Promise<readonly string[]> {
  const names = await readdir(directory).catch(() => [])
  return names
    .filter((name) => name.endsWith('.conf'))
    .sort()
    .map((name) => join(directory, name))
}

async function readIfThere(path: string): Promise<readonly RegistryRule[] | undefined> {
  const content = await readFile(path, 'utf8').catch(() => undefined)
  return content === undefined ? undefined : parseRegistriesConf(content, path)
}

async function readNamed(path: string): Promise<readonly RegistryRule[]> {
  const content = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new OssbError('ERR_OSSB_USAGE', `Cannot read "${path}": ${errnoOf(cause) ?? 'unreadable'}`, {
      cause,
      hint: '--registries-conf or CONTAINERS_REGISTRIES_CONF names this file.',
    })
  })
  return parseRegistriesConf(content, path)
}
