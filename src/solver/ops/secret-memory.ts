import { accessSync, constants, mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { type Job, OssbError } from '../../core/index.ts'
import { removeTree } from '../../fs/index.ts'
import type { FileSession } from '../../native/index.ts'
import type { Workspace } from '../../store/index.ts'

/** A directory that is on no disk; disposing ends it with what it holds. */
export interface Memory extends AsyncDisposable {
  readonly directory: string
}

interface MemoryContext {
  readonly session: FileSession
  readonly workspace: Workspace
}

/** More than the largest secret. */
const MEMORY_BYTES = 1024 * 1024
const SHARED_MEMORY = '/dev/shm'

/**
 * A file system of its own where one can be mounted, else a private directory in the shared memory of the machine; where
 * there is none, one of the workspace has to do.
 */
export async function claimMemory({ session, workspace }: MemoryContext, job: Job): Promise<Memory> {
  const directory = workspace.directory()
  try {
    const mounted = await session.mount({ type: 'tmpfs', target: directory, size: MEMORY_BYTES }, job)
    return { directory, [Symbol.asyncDispose]: () => mounted[Symbol.asyncDispose]() }
  } catch (error) {
    job.signal.throwIfAborted()
    if (!(error instanceof OssbError) || error.code !== 'ERR_OSSB_FILESYSTEM') throw error
    return privateDirectory(isWritable(SHARED_MEMORY) ? SHARED_MEMORY : directory)
  }
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK | constants.X_OK)
    return true
  } catch {
    return false
  }
}

function privateDirectory(above: string): Memory {
  const directory = mkdtempSync(join(above, 'ossb-'))
  return { directory, [Symbol.asyncDispose]: () => Promise.resolve(removeTree(directory)) }
}
