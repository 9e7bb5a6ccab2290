import { lstatSync, readlinkSync, type Stats } from 'node:fs'
import { join } from 'node:path'
import { errnoOf, OssbError } from '../core/index.ts'

/** As many symbolic links as Linux follows in one path (path_resolution(7)). */
const MAX_LINKS = 40

export interface ResolveOptions {
  /** What happens to a symbolic link that the path ends with: its target is meant, or the link itself. */
  readonly last: 'follow' | 'keep'
}

/**
 * Where `path` lies on the host, when `root` is what "/" means: symbolic links are followed inside the root, and
 * ".." ends at it, as openat2(2) does with RESOLVE_IN_ROOT. Parts that do not exist are taken as they are written.
 * Every path into a root file system passes here; nothing else may join one.
 * @throws OssbError ERR_OSSB_FILESYSTEM for a loop of links
 */
export function resolveInRoot(root: string, path: string, options: ResolveOptions): string {
  const pending = path.split('/').reverse()
  const real: string[] = []
  let links = 0
  for (let part = pending.pop(); part !== undefined; part = pending.pop()) {
    if (part === '' || part === '.') continue
    if (part === '..') {
      real.pop()
      continue
    }
    const target =
      isLast(pending) && options.last === 'keep' ? undefined : linkTarget(join(root, ...real, part))
    if (target === undefined) {
      real.push(part)
      continue
    }
    links += 1
    if (links > MAX_LINKS)
      throw new OssbError(
        'ERR_OSSB_FILESYSTEM',
        `Cannot resolve "${path}": too many levels of symbolic links`,
      )
    if (target.startsWith('/')) real.length = 0
    pending.push(...target.split('/').reverse())
  }
  return join(root, ...real)
}

function isLast(pending: readonly string[]): boolean {
  return pending.every((part) => part === '' || part === '.')
}

/** The target of a symbolic link; undefined for anything else, and for what is not there. */
function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch (error) {
    const code = errnoOf(error)
    if (code === 'EINVAL' || code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw error
  }
}

/** lstat that answers undefined for what is not there, also because a file stands where a directory would have to. */
export function lstatIfPresent(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false })
  } catch (error) {
    if (errnoOf(error) === 'ENOTDIR') return undefined
    throw error
  }
}
