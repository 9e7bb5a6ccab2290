import { readFileSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { errnoOf, fileSystemError, OssbError } from '../core/index.ts'
import { createPatternMatcher, parseIgnoreFile, type SourceTree } from '../fs/index.ts'

/**
 * A directory as a build context. What `<Dockerfile>.dockerignore` beside the Dockerfile or, in its absence,
 * `.dockerignore` in the context hides is not part of it.
 * @throws OssbError ERR_OSSB_CONTEXT when there is no such directory, or its ignore file is malformed
 */
export function openDirectory(path: string, dockerfile: string | undefined): SourceTree {
  const root = resolve(path)
  if (statSync(root, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new OssbError(
      'ERR_OSSB_CONTEXT',
      `Cannot use the build context: path "${path}" not found, or not a directory`,
      {
        hint: 'The build context is the directory with the files to copy: "ossb build ." for the current one.',
      },
    )
  }
  const ignore = readIgnoreFile(root, dockerfile)
  return { root, owners: 'root', ...(ignore === undefined ? {} : { ignore: matcherOf(ignore) }) }
}

/** An ignore file, with its patterns. */
export interface IgnoreFile {
  readonly path: string
  readonly patterns: readonly string[]
}

/** The file that says what of a directory is no part of the context: the Dockerfile's own, else the directory's. */
export function readIgnoreFile(directory: string, dockerfile: string | undefined): IgnoreFile | undefined {
  const candidates = [
    ...(dockerfile === undefined ? [] : [join(dirname(dockerfile), `${basename(dockerfile)}.dockerignore`)]),
    join(directory, '.dockerignore'),
  ]
  for (const path of candidates) {
    const text = readIfPresent(path)
    if (text !== undefined) return { path, patterns: parseIgnoreFile(text) }
  }
  return undefined
}

function readIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined
    throw fileSystemError(`read "${path}"`, error)
  }
}

function matcherOf({ path, patterns }: IgnoreFile) {
  try {
    return createPatternMatcher(patterns)
  } catch (error) {
    throw new OssbError(
      'ERR_OSSB_CONTEXT',
      `Cannot use "${path}": ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    )
  }
}
