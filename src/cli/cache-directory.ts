import { homedir } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'

export type Environment = Readonly<Record<string, string | undefined>>

/** `--cache-dir`, else `ossb` in the user's cache directory (XDG base directory specification: a relative one is ignored). */
export function cacheDirectory(flag: string | undefined, environment: Environment): string {
  if (flag !== undefined) return resolve(flag)
  const xdg = environment['XDG_CACHE_HOME']
  if (xdg !== undefined && isAbsolute(xdg)) return join(xdg, 'ossb')
  const home = environment['HOME']
  return join(home === undefined || home === '' ? homedir() : home, '.cache', 'ossb')
}
