import { createHash } from 'node:crypto'
import {
  accessSync,
  chmodSync,
  constants,
  copyFileSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { arch, platform, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { errnoOf, OssbError } from '../core/index.ts'

/** The helper program, ready to be started. */
export interface NativeHelper {
  readonly path: string
  /**
   * For a process that is root of nothing: owners, and modes with which it could not go on itself, are kept on record
   * beside the files (c/owner.h).
   */
  readonly recordsModes?: true
}

/** The whole environment that the helper is started with. */
export function helperEnvironment({ recordsModes }: NativeHelper): Readonly<Record<string, string>> {
  return recordsModes === true ? { OSSB_RECORDS: 'modes' } : {}
}

export interface LoadHelperOptions {
  /** A program to use in place of the one that comes with OSSB. */
  readonly override?: string
  /** Where an executable copy may be put when the program can't be executed where it lies; the system's own is last. */
  readonly scratchDirectories?: readonly string[]
}

/**
 * Finds the helper for this machine. A program that lost its executable bit, or lies on a file system that is mounted
 * noexec, is copied into a private directory first.
 * @throws OssbError ERR_OSSB_EXECUTOR when there is none for this architecture, or none can be executed
 */
export function loadHelper(options: LoadHelperOptions = {}): NativeHelper {
  if (options.override !== undefined) return useOverride(options.override)
  const path = fileURLToPath(new URL(`prebuilt/${platform()}-${arch()}/ossb-helper`, import.meta.url))
  if (isExecutable(path)) return { path }
  const content = readProgram(path)
  const directories = [...(options.scratchDirectories ?? []), tmpdir()]
  for (const directory of directories) {
    const copy = copyInto(directory, path, content)
    if (copy !== undefined) return { path: copy }
  }
  throw new OssbError(
    'ERR_OSSB_EXECUTOR',
    `Cannot execute the native helper "${path}", nor a copy of it in ${directories.map((directory) => `"${directory}"`).join(' or ')}`,
    {
      hint: 'Those file systems are mounted noexec or not writable. Set TMPDIR to a directory that is neither.',
    },
  )
}

function useOverride(path: string): NativeHelper {
  if (isExecutable(path)) return { path }
  throw new OssbError(
    'ERR_OSSB_EXECUTOR',
    `Cannot execute the native helper "${path}": it is missing or not executable`,
    { hint: 'Give the path of an executable ossb-helper, or none to use the one that comes with OSSB.' },
  )
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

function readProgram(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (cause) {
    throw new OssbError(
      'ERR_OSSB_EXECUTOR',
      `Cannot find the native helper for ${platform()}/${arch()} at "${path}"`,
      {
        hint: 'OSSB comes with a helper for Linux on x64 and arm64. Where it should be there, the installation is incomplete.',
        cause,
      },
    )
  }
}

/** An executable copy in a directory of our own below `directory`; undefined where that can't be had. */
function copyInto(directory: string, source: string, content: Buffer): string | undefined {
  const name = `ossb-helper-${createHash('sha256').update(content).digest('hex').slice(0, 16)}`
  try {
    mkdirSync(directory, { recursive: true })
    const home = privateDirectory(directory, name)
    const path = join(home, 'ossb-helper')
    if (isExecutable(path) && readFileSync(path).equals(content)) return path
    const temporary = mkdtempSync(join(home, 'new-'))
    copyFileSync(source, join(temporary, 'ossb-helper'))
    chmodSync(join(temporary, 'ossb-helper'), 0o700)
    renameSync(join(temporary, 'ossb-helper'), path)
    rmSync(temporary, { recursive: true })
    return isExecutable(path) ? path : undefined
  } catch {
    return undefined
  }
}

/** Never one that another user made or can write to: what lies there gets executed. */
function privateDirectory(directory: string, name: string): string {
  const path = join(directory, name)
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error
  }
  const status = lstatSync(path)
  const isOurs =
    status.isDirectory() && (status.mode & 0o077) === 0 && status.uid === statSync('/proc/self').uid
  return isOurs ? path : mkdtempSync(`${path}-`)
}
