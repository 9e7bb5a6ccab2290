import { accessSync, constants, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { OssbError } from '../../index.ts'
import type { Api } from '../api.ts'
import { cacheDirectory } from '../cache-directory.ts'
import type { Host } from '../host.ts'
import { createBuildLog } from './build-log.ts'
import { CommandError } from './command-error.ts'
import { parseDestination } from './destination.ts'
import { createLog, DEFAULT_LOG } from './log.ts'
import { parseFlags } from './parse-flags.ts'
import { PULL_FLAGS, PUSH_FLAGS, type PullFlag, type PushFlag } from './registry-flags.ts'
import { registryAccess } from './registry-options.ts'
import { helpText, type KanikoCommand } from './usage.ts'

const FLAGS: readonly (PullFlag | PushFlag)[] = [...PULL_FLAGS, ...PUSH_FLAGS]

export const PUSH_COMMAND: KanikoCommand = {
  line: 'executor push <path>',
  summary: 'Pushes the image in an archive of "docker save" or in an OCI layout.',
  flags: FLAGS,
}

/** `executor push`: every destination is tried, and each that failed is told of. */
export async function runPush(args: readonly string[], host: Host, api: Api): Promise<number> {
  const { values, words, help } = parseFlags(args, FLAGS)
  if (help) {
    host.stdout.write(helpText(PUSH_COMMAND))
    return 0
  }
  const [path, more] = words
  if (path === undefined || more !== undefined)
    throw new CommandError(`accepts 1 arg(s), received ${words.length}`)
  const destinations = values.list('destination').map(parseDestination)
  if (destinations.length === 0) throw new CommandError('at least one --destination is required')
  const source = placeOf(resolve(host.directory, path), path)
  const log = createLog(DEFAULT_LOG, host)
  const buildLog = createBuildLog(log, host)
  const hosts = destinations.map(({ repository }) => repository.split('/', 1)[0] ?? '')
  const failures: unknown[] = []
  for (const { reference, repository } of destinations) {
    log('info', `Pushing image to ${reference}`)
    try {
      const { descriptor } = await api.copyImage(
        {
          source,
          destination: reference,
          tags: [],
          platforms: 'all',
          referrers: false,
          cacheDir: cacheDirectory(undefined, host.environment),
          ...registryAccess(values, hosts, host.environment),
        },
        { signal: host.interruption.signal, emit: buildLog.emit },
      )
      log('info', `Pushed ${repository}@${descriptor.digest}`)
    } catch (error) {
      host.interruption.signal.throwIfAborted()
      failures.push(error)
    }
  }
  if (failures.length === 0) return 0
  throw failures.length === 1 ? failures[0] : new AggregateError(failures)
}

function placeOf(path: string, given: string): string {
  try {
    accessSync(path, constants.R_OK)
    return statSync(path).isDirectory() ? `oci:${path}` : `docker-archive:${path}`
  } catch (error) {
    throw new OssbError('ERR_OSSB_USAGE', `path ${given} not readable: ${(error as Error).message}`, {
      cause: error,
    })
  }
}
