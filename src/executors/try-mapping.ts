import { statSync } from 'node:fs'
import type { Job } from '../core/index.ts'
import { type NativeHelper, readIdRanges, spawnMapped } from '../native/index.ts'
import { currentUser, hidesRange, ID_RANGE_VARIABLE, rangeRemedy, subordinateIds } from './enter-namespace.ts'
import { findProgram } from './find-program.ts'
import { lacksNewPrivileges } from './read-settings.ts'

export interface MappingOptions {
  readonly helper: NativeHelper
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** Why a range of ids can't be had, and what helps. */
export interface MappingProblem {
  readonly detail: string
  readonly remedy: string
}

const MAPPERS: readonly string[] = ['newuidmap', 'newgidmap']
const SET_USER_ID = 0o4000

/** Starts a program as root of a user namespace with the user's whole range; undefined where that works. */
export async function tryMapping(
  { helper, environment }: MappingOptions,
  job: Job,
): Promise<MappingProblem | undefined> {
  job.signal.throwIfAborted()
  const missing = missingPart(environment)
  const ids = subordinateIds(currentUser())
  if (missing !== undefined || ids === undefined) return missing
  try {
    const command = [helper.path, 'probe', '/'] as const
    const status = await spawnMapped(
      helper,
      { kind: 'user', ...ids, env: environment, stdio: 'ignore' },
      command,
    ).exited
    return status === 0
      ? undefined
      : failed(`a program in the namespace ended with status ${status}`, environment)
  } catch (error) {
    return failed(reasonOf(error), environment)
  }
}

/** What a map needs and this machine lacks: a range, or the programs that write the map. */
function missingPart(environment: MappingOptions['environment']): MappingProblem | undefined {
  if (hidesRange(environment))
    return { detail: `${ID_RANGE_VARIABLE} is "none"`, remedy: `Unset ${ID_RANGE_VARIABLE}` }
  const user = currentUser()
  const files = ['/etc/subuid', '/etc/subgid'].filter((file) => readIdRanges(file, user).length === 0)
  const programs = MAPPERS.filter((name) => findMapper(name, environment) === undefined)
  if (files.length + programs.length === 0) return undefined
  return {
    detail: [
      ...files.map((file) => `${file} has no range for "${user.name}"`),
      ...programs.map((name) => `${name} is not installed`),
    ].join(', '),
    remedy: `As root: ${[
      ...(programs.length === 0 ? [] : ['apt-get install uidmap']),
      ...(files.length === 0 ? [] : [rangeRemedy(user)]),
    ].join(' && ')}`,
  }
}

/** Without the name of the helper, which is not what failed. */
function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return message.replace(/^Cannot start ".*" in namespaces of its own: /, '')
}

function failed(detail: string, environment: MappingOptions['environment']): MappingProblem {
  if (lacksNewPrivileges()) {
    return {
      detail: `${detail} (no_new_privs is set: newuidmap gets no privileges)`,
      remedy: 'Run the container without no-new-privileges (Kubernetes: allowPrivilegeEscalation: true)',
    }
  }
  const weak = MAPPERS.flatMap((name) => findMapper(name, environment) ?? []).filter(
    (path) => (statSync(path).mode & SET_USER_ID) === 0,
  )
  return {
    detail,
    remedy:
      weak.length > 0
        ? `As root: chmod u+s ${weak.join(' ')} (unless they have file capabilities)`
        : `Check that the ranges in /etc/subuid and /etc/subgid do not overlap and, in a container, lie inside its own (/proc/self/uid_map)`,
  }
}

function findMapper(name: string, environment: MappingOptions['environment']): string | undefined {
  return findProgram(name, environment, ['/usr/bin'])
}
