import { createHash, type Hash } from 'node:crypto'
import { closeSync, constants, openSync, readlinkSync, readSync } from 'node:fs'
import { type Digest, fileSystemError } from '../core/index.ts'
import type { PatternMatcher } from './pattern.ts'
import { type SelectedSource, type SourceFile, type SourceTree, walkSource } from './select-sources.ts'

export interface ContentDigestOptions {
  readonly exclude?: PatternMatcher
  /** Whether the owners of the files are part of the result of a copy. */
  readonly owners: 'counted' | 'ignored'
  /** Told the host path of each regular file. */
  readonly onFile?: (hostPath: string) => void
  /** Told every file. */
  readonly onAny?: (file: SourceFile) => void
}

const BUFFER_BYTES = 1024 * 1024

/**
 * A digest of everything about the selected files that a copy of them carries over, but extended attributes: names,
 * types, modes, link targets, hard links, content and, where asked for, owners. Times do not count: a checkout made
 * anew is the same content.
 */
export function contentDigest(
  tree: SourceTree,
  selected: readonly SelectedSource[],
  options: ContentDigestOptions,
): Digest {
  const hash = createHash('sha256')
  const buffer = Buffer.allocUnsafe(BUFFER_BYTES)
  /** Short texts, hashed many at once. */
  let text = ''
  for (const source of selected) {
    const links = new Map<string, string>()
    text += `source\0${source.path}\0`
    for (const file of walkSource(tree, source, options.exclude)) {
      text += linkOf(file, links) + describe(file, options.owners)
      const hasContent = file.stats.isFile() && file.stats.size > 0n
      if (hasContent || text.length > BUFFER_BYTES) {
        hash.update(text)
        text = ''
      }
      if (hasContent) addContent(hash, file.hostPath, buffer)
      if (file.stats.isFile()) options.onFile?.(file.hostPath)
      options.onAny?.(file)
    }
  }
  return `sha256:${hash.update(text).digest('hex')}`
}

/** The first name in this source of a file with several: a copy keeps them together. */
function linkOf({ path, stats }: SourceFile, links: Map<string, string>): string {
  if (stats.nlink < 2n || stats.isDirectory()) return ''
  const inode = `${stats.dev}:${stats.ino}`
  const first = links.get(inode)
  if (first === undefined) links.set(inode, path)
  return first === undefined ? '' : `link\0${first}\0`
}

/** All that counts of a file in front of its content. */
function describe({ path, hostPath, stats }: SourceFile, owners: ContentDigestOptions['owners']): string {
  const owner = owners === 'counted' ? `${stats.uid}:${stats.gid}` : ''
  const about = `${path}\0${stats.mode}\0${owner}\0${stats.isFile() ? stats.size : ''}\0`
  if (stats.isSymbolicLink()) return `${about}${readlinkSync(hostPath)}\0`
  return stats.isFile() || stats.isDirectory() ? about : `${about}${stats.rdev}\0`
}

function addContent(hash: Hash, path: string, buffer: Buffer): void {
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW)
    try {
      for (let count = readSync(fd, buffer); count > 0; count = readSync(fd, buffer))
        hash.update(buffer.subarray(0, count))
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    throw fileSystemError(`read "${path}"`, error)
  }
}
