import { statSync } from 'node:fs'
import { join } from 'node:path'
import type { LockOptions } from '../index.ts'
import { cacheDirectory, type Environment } from './cache-directory.ts'
import { parseSecrets } from './credential-flags.ts'
import { parseBuildArgs, parseBuildContexts } from './key-values.ts'
import type { GatherFlags } from './gather-option-table.ts'
import { platformsOf } from './platform-list.ts'
import { registryAccess } from './registry-flags.ts'
import { usageError } from './usage-error.ts'

/** What `ossb bundle` and `ossb lock` were asked for, but for where it goes. */
export function gatherOptions(flags: GatherFlags, context: string, environment: Environment): LockOptions {
  return {
    context,
    buildContexts: parseBuildContexts(flags['build-context']),
    ...(flags.file === undefined ? {} : { dockerfile: flags.file }),
    buildArgs: parseBuildArgs(flags['build-arg'], environment),
    ...(flags.target === undefined ? {} : { target: flags.target }),
    platforms: platformsOf(flags.platform),
    frontend: flags.frontend ?? 'dockerfile',
    secrets: parseSecrets(flags.secret, environment),
    cacheDir: cacheDirectory(flags['cache-dir'], environment),
    ...(flags.inputs === undefined ? {} : { inputs: flags.inputs }),
    ...(flags.lock === undefined ? {} : { lockFile: flags.lock }),
    ...registryAccess(flags, environment),
  }
}

/** The lock that `ossb lock` writes: the one that is named, else `ossb.lock` in the context. */
export function lockFileOf(flag: string | undefined, context: string): string {
  if (flag !== undefined) return flag
  if (statSync(context, { throwIfNoEntry: false })?.isDirectory() === true) return join(context, 'ossb.lock')
  throw usageError(
    `Cannot write a lock file into "${context}": it is no directory`,
    'Say with --lock FILE where it goes.',
  )
}
