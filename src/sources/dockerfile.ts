import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileSystemError, OssbError } from '../core/index.ts'

/** A Dockerfile as it was found. `path` is absent for one from standard input. */
export interface FoundDockerfile {
  readonly name: string
  readonly path?: string
  readonly text: string
}

/**
 * Reads the Dockerfile of a build: the one that is named (relative to the working directory, "-" is standard input),
 * else `Dockerfile` or `dockerfile` in the context.
 * @throws OssbError ERR_OSSB_CONTEXT when there is none
 */
export function readDockerfile(context: string, named: string | undefined): FoundDockerfile {
  if (named === '-') return { name: 'Dockerfile', text: readText(0, 'standard input') }
  const path =
    named ??
    [join(context, 'Dockerfile'), join(context, 'dockerfile')].find((candidate) => existsSync(candidate))
  if (path !== undefined && existsSync(path)) return { name: path, path, text: readText(path, `"${path}"`) }
  throw new OssbError(
    'ERR_OSSB_CONTEXT',
    `Cannot find the Dockerfile: there is no "${path ?? join(context, 'Dockerfile')}"`,
    {
      hint: 'Name it with --file; the path is relative to the working directory.',
    },
  )
}

function readText(file: string | number, what: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw fileSystemError(`read the Dockerfile from ${what}`, error)
  }
}
