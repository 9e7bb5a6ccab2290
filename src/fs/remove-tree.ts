import {
  accessSync,
  chmodSync,
  constants,
  lstatSync,
  readdirSync,
  rmdirSync,
  type Stats,
  unlinkSync,
} from 'node:fs'
import { join } from 'node:path'
import { errnoOf, OssbError } from '../core/index.ts'
import { lstatIfPresent } from './resolve-in-root.ts'

/**
 * Removes a tree, also where directories in it deny their owner entry; nothing happens when it is not there. Links are
 * removed, never followed.
 * @throws OssbError ERR_OSSB_FILESYSTEM for a directory that something is mounted on: what it shows is another's
 */
export function removeTree(path: string): void {
  const stats = lstatIfPresent(path)
  if (stats === undefined) return
  if (stats.isDirectory()) removeDirectory(path, stats)
  else unlinkSync(path)
}

function removeDirectory(path: string, { dev }: Stats): void {
  for (const child of entriesOf(path)) {
    const childPath = join(path, child.name)
    if (!child.isDirectory()) {
      unlinkSync(childPath)
      continue
    }
    const stats = lstatSync(childPath)
    if (stats.dev !== dev)
      throw new OssbError('ERR_OSSB_FILESYSTEM', `Cannot remove "${childPath}": something is mounted on it`)
    removeDirectory(childPath, stats)
  }
  rmdirSync(path)
}

/** What a directory holds; it is opened to its owner, for removals too, where it is not. */
function entriesOf(path: string) {
  try {
    const entries = readdirSync(path, { withFileTypes: true })
    accessSync(path, constants.W_OK | constants.X_OK)
    return entries
  } catch (error) {
    if (errnoOf(error) !== 'EACCES' && errnoOf(error) !== 'EPERM') throw error
    chmodSync(path, 0o700)
    return readdirSync(path, { withFileTypes: true })
  }
}
