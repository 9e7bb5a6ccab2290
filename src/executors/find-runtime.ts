import { OssbError } from '../core/index.ts'
import { findProgram } from './find-program.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** The OCI runtimes that the `container` executor can use, in its order. */
const RUNTIMES: readonly string[] = ['crun', 'runc']

export const RUNTIME_REMEDY = 'As root: apt-get install crun (only for --executor container)'

/** The first OCI runtime on PATH. */
export function findRuntime(environment: Environment): string | undefined {
  return RUNTIMES.flatMap((name) => findProgram(name, environment) ?? [])[0]
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
