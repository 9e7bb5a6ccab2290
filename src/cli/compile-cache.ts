import { existsSync, lstatSync, mkdirSync, statSync } from 'node:fs'
import * as module from 'node:module'
import { dirname, isAbsolute, join } from 'node:path'
import type { Environment } from './cache-directory.ts'

/** Node's own since 22.1, for which there are no types yet: keeps what it made of the files that it loads. */
export type Enable = (directory: string) => unknown

const { enableCompileCache } = module as { readonly enableCompileCache?: Enable }

/**
 * Has Node keep the programs compiled, in `ossb-compiled` beside the cache directory that is the user's own. Node runs
 * what lies there: a directory that another user made or can write to is not used. Call it before the rest is imported.
 * @returns the directory; undefined where Node can't, or there is no safe place
 */
export function keepCompiled(
  environment: Environment,
  enable: Enable | undefined = enableCompileCache,
): string | undefined {
  const directory = directoryIn(environment)
  if (enable === undefined || directory === undefined || !isOurs(directory)) return undefined
  enable(directory)
  return directory
}

/** In no place that other users may share: where neither is known, there is none. */
function directoryIn({ XDG_CACHE_HOME: xdg, HOME: home }: Environment): string | undefined {
  if (xdg !== undefined && isAbsolute(xdg)) return join(xdg, 'ossb-compiled')
  return home !== undefined && isAbsolute(home) ? join(home, '.cache', 'ossb-compiled') : undefined
}

/** In a home that is there already, which nobody else is to make. */
function makeDirectory(path: string): void {
  if (!existsSync(path)) mkdirSync(path, { mode: 0o700 })
}

function isOurs(directory: string): boolean {
  try {
    makeDirectory(dirname(directory))
    makeDirectory(directory)
    const status = lstatSync(directory)
    return status.isDirectory() && (status.mode & 0o077) === 0 && status.uid === statSync('/proc/self').uid
  } catch {
    return false
  }
}
