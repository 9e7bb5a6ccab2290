import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileSystemError, type Job } from '../core/index.ts'
import { removeTree } from '../fs/index.ts'
import { runProcess } from '../io/index.ts'
import type { FileSession } from '../native/index.ts'
import type { StorePaths } from './paths.ts'

/** A place for what a build needs only while it runs. Disposing removes it; so does the next build after a crash. */
export interface Workspace extends AsyncDisposable {
  readonly path: string
  /** A new, empty directory in it. */
  directory(): string
  /** Removes a directory of it, which may be large, by another process beside the build. */
  discard(directory: string): void
}

/** Opens a workspace in the cache directory, and removes those whose builds are gone: nobody holds their lock. */
export async function openWorkspace(paths: StorePaths, session: FileSession, job: Job): Promise<Workspace> {
  try {
    mkdirSync(paths.work, { recursive: true })
    await removeAbandoned(paths, session, job)
    const path = join(paths.work, randomBytes(8).toString('hex'))
    const lock = await session.lock(`${path}.lock`, 'exclusive', { wait: true }, job)
    mkdirSync(path)
    let count = 0
    const removals: Promise<unknown>[] = []
    return {
      path,
      directory: () => {
        count += 1
        const directory = join(path, String(count))
        try {
          mkdirSync(directory)
        } catch (error) {
          throw fileSystemError(`make a directory in "${path}"`, error)
        }
        return directory
      },
      discard: (directory) => {
        // Like removeTree(), into nothing that is mounted there. Where there is no such program, or it knows no such
        // option, the directory goes with all others.
        removals.push(
          runProcess(['/bin/rm', '-rf', '--one-file-system', '--', directory], { env: {} }, job).catch(
            () => undefined,
          ),
        )
      },
      [Symbol.asyncDispose]: async () => {
        await Promise.all(removals)
        removeTree(path)
        removeTree(`${path}.lock`)
        await lock?.[Symbol.asyncDispose]()
      },
    }
  } catch (error) {
    throw fileSystemError(`use the cache directory "${paths.root}"`, error)
  }
}

async function removeAbandoned(paths: StorePaths, session: FileSession, job: Job): Promise<void> {
  const names = readdirSync(paths.work)
  const owners = new Set(names.map((name) => name.replace(/\.lock$/, '')))
  for (const name of owners) {
    const path = join(paths.work, name)
    const lock = await session.lock(`${path}.lock`, 'exclusive', { wait: false }, job)
    if (lock === undefined) continue
    try {
      removeTree(path)
      removeTree(`${path}.lock`)
    } catch {
      // What belongs to other ids only a build can remove, inside its namespace: the next one does.
    }
    await lock[Symbol.asyncDispose]()
  }
}
