import { closeSync, constants, mkdirSync, openSync, readlinkSync } from 'node:fs'
import { relative } from 'node:path'
import { errnoOf, fileSystemError } from '../core/index.ts'
import { resolveInRoot } from './resolve-in-root.ts'

/** A directory under a path that leads to it for as long as it is held, whatever becomes of the one that it was found by. */
export interface HeldDirectory extends AsyncDisposable {
  readonly path: string
  /** Where it was when it was found. */
  readonly foundAt: string
}

const DIRECTORY_ITSELF = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW

/**
 * Finds a directory inside a root that others may be changing, and makes what is missing of it (0755). Each part is
 * opened in the one above it, so that a link that somebody puts there meanwhile leads nowhere.
 * @throws OssbError ERR_OSSB_FILESYSTEM for what is no directory, or is a link by now
 */
export function holdDirectory(root: string, path: string): HeldDirectory {
  const parts = relative(root, resolveInRoot(root, path, { last: 'follow' })).split('/')
  let fd = openSync(root, DIRECTORY_ITSELF)
  try {
    for (const part of parts) {
      if (part === '') continue
      const below = openOrMake(`/proc/self/fd/${fd}/${part}`)
      closeSync(fd)
      fd = below
    }
  } catch (error) {
    closeSync(fd)
    throw fileSystemError(`open the directory "${path}" in "${root}"`, error)
  }
  return {
    path: `/proc/${readlinkSync('/proc/self')}/fd/${fd}`,
    foundAt: readlinkSync(`/proc/self/fd/${fd}`),
    [Symbol.asyncDispose]: async () => closeSync(fd),
  }
}

function openOrMake(path: string): number {
  try {
    return openSync(path, DIRECTORY_ITSELF)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error
  }
  try {
    mkdirSync(path, { mode: 0o755 })
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error
  }
  return openSync(path, DIRECTORY_ITSELF)
}
