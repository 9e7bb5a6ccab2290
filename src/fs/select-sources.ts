import { type BigIntStats, lstatSync, readdirSync } from 'node:fs'
import { join, posix, relative } from 'node:path'
import { OssbError } from '../core/index.ts'
import { goMatch } from './go-match.ts'
import { createPatternMatcher, type PatternMatcher } from './pattern.ts'
import { lstatIfPresent, resolveInRoot } from './resolve-in-root.ts'

/** A tree to copy from: a build context with what its ignore file hides, or a root file system. */
export interface SourceTree {
  readonly root: string
  readonly ignore?: PatternMatcher
  /** `root`: whoever owns the files on this machine, to a build they are root's. Absent: they are whose they are. */
  readonly owners?: 'root'
}

/** What a source of COPY stands for. */
export interface SelectedSource {
  /** The path that was selected, relative to the tree, links not yet followed; '' is the tree's root. */
  readonly path: string
  /** Where it lies on the host, after every link was followed inside the tree. */
  readonly hostPath: string
  readonly isDirectory: boolean
  /** What of a directory is not meant; absent is nothing. */
  readonly unselected?: PatternMatcher
}

/** A file below a selected source; `path` is relative to the source, '' is the source itself. */
export interface SourceFile {
  readonly path: string
  readonly hostPath: string
  readonly stats: BigIntStats
  /** A directory that is only there because of what is below it. */
  readonly isParentOnly: boolean
}

/** Whether Go's filepath.Match would treat the path as a pattern. */
export function hasWildcard(path: string): boolean {
  return /(?:^|[^\\])(?:\\\\)*[*?[]/.test(path)
}

/**
 * What a source of COPY or ADD stands for: a file or directory, links followed, or every match of a pattern in byte
 * order. A pattern may match nothing.
 * @throws OssbError ERR_OSSB_NOT_FOUND for a path that is not there, or hidden by the ignore file, or a link to such
 */
export function selectSources(tree: SourceTree, source: string): readonly SelectedSource[] {
  const path = cleanPath(source)
  if (hasWildcard(path)) return matchesOf(tree, path).flatMap((match) => selectMatch(tree, match))
  const selected = selectPath(tree, path)
  if (selected === undefined) throw notFound(tree, path)
  return [selected]
}

/** A match that the ignore file hides is none; a link that leads nowhere is an error, as if it were named. */
function selectMatch(tree: SourceTree, path: string): readonly SelectedSource[] {
  const selected = selectPath(tree, path)
  if (selected !== undefined) return [selected]
  const isLink = lstatIfPresent(resolveInRoot(tree.root, path, { last: 'keep' }))?.isSymbolicLink() === true
  if (isLink && tree.ignore?.matches(path) !== true) throw notFound(tree, path)
  return []
}

function notFound(tree: SourceTree, path: string): OssbError {
  return new OssbError('ERR_OSSB_NOT_FOUND', `"/${path}": not found`, { hint: hintFor(tree, path) })
}

const PIVOT = '/./'

/**
 * What a source of COPY --parents stands for: directories, of each only what the pattern behind the first `/./` of the
 * source selects, and what leads there; a source without one is a pattern for the tree's root.
 * @throws OssbError ERR_OSSB_NOT_FOUND as selectSources() does; also when a pattern without wildcards has no match
 */
export function selectWithParents(tree: SourceTree, source: string): readonly SelectedSource[] {
  const pivot = source.indexOf(PIVOT)
  const directory = pivot === -1 ? '' : cleanPath(source.slice(0, pivot))
  const pattern = cleanPath(pivot === -1 ? source : source.slice(pivot + PIVOT.length))
  if (!hasWildcard(directory) && !hasWildcard(pattern)) selectSources(tree, posix.join(directory, pattern))
  const directories = selectSources(tree, directory).filter(({ isDirectory }) => isDirectory)
  if (pattern === '') return directories
  const unselected = createPatternMatcher(['**', `!${pattern}`])
  return directories.map((selected) => ({ ...selected, unselected }))
}

function cleanPath(path: string): string {
  return posix.normalize(`/${path}`).replace(/\/$/, '').slice(1)
}

function hintFor(tree: SourceTree, path: string): string {
  const hidden = lstatIfPresent(resolveInRoot(tree.root, path, { last: 'follow' })) !== undefined
  return hidden
    ? 'The file exists, but .dockerignore leaves it out of the build context.'
    : 'Sources are relative to the root of the build context (or of the stage or image of --from), and cannot lead out of it.'
}

function selectPath(tree: SourceTree, path: string): SelectedSource | undefined {
  const hostPath = resolveInRoot(tree.root, path, { last: 'follow' })
  const stats = lstatIfPresent(hostPath)
  if (stats === undefined) return undefined
  const isDirectory = stats.isDirectory()
  const real = relative(tree.root, hostPath)
  const isHidden = [path, real].some(
    (candidate) => candidate !== '' && tree.ignore?.matches(candidate) === true,
  )
  if (isHidden && !(isDirectory && hasVisible(tree, hostPath, real))) return undefined
  return { path, hostPath, isDirectory }
}

/** Whether a "!" pattern lets anything below a hidden directory be seen. */
function hasVisible(tree: SourceTree, hostPath: string, path: string): boolean {
  if (tree.ignore?.mayMatchBelow(path) !== true) return false
  return namesIn(hostPath).some((name) => {
    const child = posix.join(path, name)
    const childHost = join(hostPath, name)
    if (tree.ignore?.matches(child) !== true) return true
    return lstatIfPresent(childHost)?.isDirectory() === true && hasVisible(tree, childHost, child)
  })
}

function matchesOf(tree: SourceTree, pattern: string): readonly string[] {
  let found: readonly string[] = ['']
  let inPrefix = true
  for (const part of pattern.split('/')) {
    if (inPrefix && !hasWildcard(part)) found = found.map((path) => posix.join(path, part))
    else {
      found = found.flatMap((directory) => childrenMatching(tree, directory, part, inPrefix))
      inPrefix = false
    }
  }
  return found
}

/** A match is not looked for behind a symbolic link, except in the part of the path in front of the first wildcard. */
function childrenMatching(
  tree: SourceTree,
  directory: string,
  pattern: string,
  follow: boolean,
): readonly string[] {
  const hostPath = follow
    ? resolveInRoot(tree.root, directory, { last: 'follow' })
    : join(tree.root, directory)
  if (lstatIfPresent(hostPath)?.isDirectory() !== true) return []
  return namesIn(hostPath)
    .filter((name) => goMatch(pattern, name))
    .map((name) => {
      const path = posix.join(directory, name)
      if (isMisread(join(hostPath, name)) && tree.ignore?.matches(path) !== true) throw misread(path)
      return path
    })
}

/** A name that is not UTF-8 is read as another one, which is not there. */
function isMisread(hostPath: string): boolean {
  return hostPath.includes('\ufffd') && lstatIfPresent(hostPath) === undefined
}

function misread(path: string): OssbError {
  return new OssbError('ERR_OSSB_FILESYSTEM', `Cannot copy "/${path}": its name is not UTF-8`, {
    hint: 'Rename it, or leave it out with .dockerignore or --exclude.',
  })
}

/**
 * A selected source and all below it that is meant, parents first, names in byte order, without what the tree's ignore
 * file or `exclude` (patterns relative to the source) hides. A hidden directory appears when something below it does.
 */
export function* walkSource(
  tree: SourceTree,
  source: SelectedSource,
  exclude: PatternMatcher | undefined,
): Generator<SourceFile> {
  const base = relative(tree.root, source.hostPath)
  const own = [source.unselected, exclude].flatMap((matcher) => matcher ?? [])
  const isIgnored = (path: string) => tree.ignore?.matches(posix.join(base, path)) === true
  const isLeftOut = (path: string) => own.some((matcher) => matcher.matches(path))
  const mayShowBelow = (path: string) =>
    (!isIgnored(path) || tree.ignore?.mayMatchBelow(posix.join(base, path)) === true) &&
    own.every((matcher) => !matcher.matches(path) || matcher.mayMatchBelow(path))
  // Directories that are hidden themselves, and wait for something below them to be seen.
  const waiting: SourceFile[] = []
  function* visit(file: SourceFile): Generator<SourceFile> {
    const hidden = file.path !== '' && (file.isParentOnly || isIgnored(file.path))
    const isDirectory = file.stats.isDirectory()
    if (hidden && !(isDirectory && mayShowBelow(file.path))) return
    if (hidden) waiting.push(file)
    else yield* [...waiting.splice(0), file]
    if (!isDirectory) return
    for (const name of namesIn(file.hostPath)) {
      const hostPath = join(file.hostPath, name)
      const path = posix.join(file.path, name)
      if (isMisread(hostPath)) {
        if (isIgnored(path) || isLeftOut(path)) continue
        throw misread(posix.join(base, path))
      }
      yield* visit({
        path,
        hostPath,
        stats: lstatSync(hostPath, { bigint: true }),
        isParentOnly: isLeftOut(path),
      })
    }
    if (waiting.at(-1) === file) waiting.pop()
  }
  const { hostPath } = source
  yield* visit({ path: '', hostPath, stats: lstatSync(hostPath, { bigint: true }), isParentOnly: false })
}

function namesIn(directory: string): readonly string[] {
  return readdirSync(directory).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
}
