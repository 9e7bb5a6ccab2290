import { readdirSync } from 'node:fs'
import { join, posix } from 'node:path'
import type { FileEntry, Job } from '../core/index.ts'
import { lstatIfPresent, readFileEntry } from '../fs/index.ts'
import { type FileSession, type NativeHelper, walkTree } from '../native/index.ts'
import { comparePaths, sameContent, sameMetadata } from './compare.ts'
import type { Difference } from './touched.ts'

/** An overlay's upper directory, and what it lies above. */
export interface OverlayTrees {
  readonly upper: string
  /** The lower directories as one root file system. */
  readonly lower: string
}

/** What is known of a directory of the upper tree while its children pass. */
interface Directory {
  /** Whether the lower tree has a real directory at this path: only then may a child be looked up there. */
  readonly inLower: boolean
  /** Whether nothing of the lower directory shows through. */
  readonly opaque: boolean
}

/**
 * What an overlay's upper directory changes in the tree below it (Documentation/filesystems/overlayfs.rst): files that
 * were only copied up are left out, whiteouts and opaque directories become deletions.
 */
export async function* overlayChanges(
  trees: OverlayTrees,
  helper: NativeHelper,
  session: FileSession,
  job: Job,
): AsyncGenerator<Difference, void, undefined> {
  const directories = new Map<string, Directory>([['', { inLower: true, opaque: false }]])
  /** Deletions that opaque directories stand for, sorted, and not yet told. */
  let hidden: string[] = []
  for await (const entries of walkTree(helper, trees.upper, job)) {
    for (const entry of entries) {
      if (entry.path === '') continue
      while (hidden[0] !== undefined && comparePaths(hidden[0], entry.path) < 0)
        yield { type: 'delete', path: hidden.shift() ?? '' }
      const parent = directories.get(parentOf(entry.path)) ?? { inLower: false, opaque: false }
      const below = parent.inLower ? await lowerEntry(trees.lower, entry.path, session, job) : undefined
      if (isWhiteout(entry) || entry.type === 'socket') {
        if (below !== undefined && below.type !== 'socket') yield { type: 'delete', path: entry.path }
        continue
      }
      if (entry.type === 'directory') {
        const directory = {
          inLower: below?.type === 'directory',
          opaque: parent.opaque || entry.opaque === true,
        }
        directories.set(entry.path, directory)
        if (directory.inLower && directory.opaque)
          hidden = [...hiddenBy(trees, entry.path), ...hidden].sort(comparePaths)
      }
      const unchanged =
        below !== undefined &&
        sameMetadata(entry, below) &&
        (await sameContent(entry, join(trees.upper, entry.path), join(trees.lower, entry.path), session, job))
      if (!unchanged) yield { type: 'upsert', entry }
      else if (entry.type === 'directory' && entry.mtimeNs !== below.mtimeNs)
        yield { type: 'touched', path: entry.path, mtimeNs: below.mtimeNs }
    }
  }
  for (const path of hidden) yield { type: 'delete', path }
}

function parentOf(path: string): string {
  const parent = posix.dirname(path)
  return parent === '.' ? '' : parent
}

async function lowerEntry(
  lower: string,
  path: string,
  session: FileSession,
  job: Job,
): Promise<FileEntry | undefined> {
  const host = join(lower, path)
  if (lstatIfPresent(host) === undefined) return undefined
  return await session.recorded(readFileEntry(host, path), host, job)
}

function isWhiteout(entry: FileEntry): boolean {
  return entry.type === 'character' && entry.rdevMajor === 0 && entry.rdevMinor === 0
}

/** Children that only the lower directory has, where the upper one is opaque. */
function hiddenBy(trees: OverlayTrees, path: string): readonly string[] {
  const shown = new Set(readdirSync(join(trees.upper, path)))
  return readdirSync(join(trees.lower, path), { withFileTypes: true })
    .filter((child) => !shown.has(child.name) && !child.isSocket())
    .map((child) => posix.join(path, child.name))
}
