import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { OssbError } from '../core/index.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** The OCI runtimes that the `container` executor can use, in its order. */
const RUNTIMES: readonly string[] = ['crun', 'runc']
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

export const RUNTIME_REMEDY = 'As root: apt-get install crun (only for --executor container)'

/** The first OCI runtime on PATH. */
export function findRuntime(environment: Environment): string | undefined {
  const directories = (environment['PATH'] ?? DEFAULT_PATH).split(delimiter).filter((path) => path !== '')
  return RUNTIMES.flatMap((name) => directories.map((directory) => join(directory, name))).find(isExecutable)
}

/** @throws OssbError ERR_OSSB_EXECUTOR where there is none */
export function requireRuntime(environment: Environment): string {
  const runtime = findRuntime(environment)
  if (runtime !== undefined) return runtime
  throw new OssbError(
    'ERR_OSSB_EXECUTOR',
    'Cannot use the executor "container": neither crun nor runc is on PATH',
    {
      hint: RUNTIME_REMEDY,
    },
  )
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
