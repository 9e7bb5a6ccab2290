import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileSystemError, OssbError } from '../core/index.ts'

/** A Dockerfile as it was found. */
export interface FoundDockerfile {
  readonly name: string
  /** Where it is a file of the user's. */
  readonly path?: string
  readonly text: string
}

/**
 * Reads the Dockerfile of a build whose context is a directory: the one that is named (relative to the working
 * directory), else `Dockerfile` or `dockerfile` in the context.
 * @throws OssbError ERR_OSSB_CONTEXT when there is none
 */
export function readDockerfile(context: string, named: string | undefined): FoundDockerfile {
  const path =
    named ??
    [join(context, 'Dockerfile'), join(context, 'dockerfile')].find((candidate) => existsSync(candidate))
  if (path !== undefined && existsSync(path)) return { name: path, path, text: readText(path) }
  throw new OssbError(
    'ERR_OSSB_CONTEXT',
    `Cannot find the Dockerfile: there is no "${path ?? join(context, 'Dockerfile')}"`,
    {
      hint: 'Name it with --file; the path is relative to the working directory.',
    },
  )
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw fileSystemError(`read the Dockerfile from "${path}"`, error)
  }
}
