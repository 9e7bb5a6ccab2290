import { resolve } from 'node:path'
import { type Job, OssbError, type RegistryAccess } from '../../index.ts'
import type { Api } from '../api.ts'
import { cacheDirectory } from '../cache-directory.ts'
import type { Host } from '../host.ts'
import { CommandError } from './command-error.ts'
import type { FlagValues } from './flag.ts'
import { createLog, type Log } from './log.ts'
import { parseFlags } from './parse-flags.ts'
import { parsePlatforms } from './platforms.ts'
import { LOG_FLAGS, type LogFlag, PULL_FLAGS, type PullFlag } from './registry-flags.ts'
import { buildArguments, pullAccess } from './registry-options.ts'
import { logSettings, reporting } from './reporting.ts'
import { helpText, type KanikoCommand } from './usage.ts'

const OWN_FLAGS = [
  {
    name: 'build-arg',
    kind: 'list',
    description: 'Value of an ARG in the Dockerfile: NAME=VALUE. Set it repeatedly for several.',
  },
  {
    name: 'cache-dir',
    shorthand: 'c',
    kind: 'string',
    default: '/cache',
    description: 'Put the images here',
  },
  {
    name: 'cache-ttl',
    kind: 'duration',
    default: '336h0m0s',
    description: 'Accepted: an image that is asked for again counts as new',
  },
  { name: 'customPlatform', kind: 'string', description: 'The platform of the images: OS/ARCH[/VARIANT]' },
  {
    name: 'dockerfile',
    shorthand: 'd',
    kind: 'string',
    description: 'Take the base images of this Dockerfile',
  },
  { name: 'force', shorthand: 'f', kind: 'bool', description: 'Get images again that are there' },
  {
    name: 'image',
    shorthand: 'i',
    kind: 'list',
    description: 'An image to put there. Set it repeatedly for several.',
  },
] as const

type WarmerFlag = PullFlag | LogFlag | (typeof OWN_FLAGS)[number]

export const WARMER_FLAGS: readonly WarmerFlag[] = [...PULL_FLAGS, ...LOG_FLAGS, ...OWN_FLAGS]

const WARMER_COMMAND: KanikoCommand = {
  line: 'warmer',
  summary: 'Puts base images into a directory, where the executor finds them with --cache --cache-dir.',
  flags: WARMER_FLAGS,
}

/** The program `warmer`: 1 only when no image at all could be had. */
export async function runWarmer(host: Host, api: Api): Promise<number> {
  return await reporting(WARMER_COMMAND, host, async () => {
    const { values, words, help } = parseFlags(host.args, WARMER_FLAGS)
    if (help) {
      host.stdout.write(helpText(WARMER_COMMAND))
      return 0
    }
    const [word] = words
    if (word !== undefined) throw new CommandError(`unknown command ${JSON.stringify(word)} for "warmer"`)
    if (values.list('image').length === 0 && values.text('dockerfile') === '')
      throw new CommandError('you must select at least one image to cache or a dockerfilepath to parse')
    return await warm(values, createLog(logSettings(values), host), host, api)
  })
}

async function warm(values: FlagValues<WarmerFlag>, log: Log, host: Host, api: Api): Promise<number> {
  const { environment, directory } = host
  const job: Job = { signal: host.interruption.signal, emit: () => undefined }
  const [platform] = parsePlatforms(values.text('customPlatform'))
  const access = pullAccess(values, environment)
  const images = [...values.list('image'), ...(await basesOf(values, access, host, api))]
  let failed = 0
  for (const image of new Set(images)) {
    try {
      const { wasThere, digest } = await api.warmImage(
        {
          ...access,
          image,
          directory: resolve(directory, values.text('cache-dir')),
          cacheDir: cacheDirectory(undefined, environment),
          ...(platform === undefined ? {} : { platform }),
          again: values.on('force'),
        },
        job,
      )
      log('info', wasThere ? `Image already in cache: ${image}` : `Cached ${image} as ${digest}`)
    } catch (error) {
      job.signal.throwIfAborted()
      failed += 1
      log('warn', `Failed to warm ${image}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  if (failed < new Set(images).size || images.length === 0) return 0
  throw new OssbError('ERR_OSSB_REGISTRY', 'failed warming cache: failed to warm any of the given images')
}

/** The images that the stages of a Dockerfile are built on. */
async function basesOf(
  values: FlagValues<WarmerFlag>,
  access: RegistryAccess,
  host: Host,
  api: Api,
): Promise<readonly string[]> {
  const dockerfile = values.text('dockerfile')
  if (dockerfile === '') return []
  const list = await api.targets(
    {
      ...access,
      context: host.directory,
      dockerfile: /^https?:\/\//.test(dockerfile) ? dockerfile : resolve(host.directory, dockerfile),
      buildArgs: buildArguments(values.list('build-arg'), host.environment),
      platforms: parsePlatforms(values.text('customPlatform')),
      labels: {},
      frontend: 'dockerfile',
      cacheDir: cacheDirectory(undefined, host.environment),
    },
    { signal: host.interruption.signal, emit: () => undefined },
  )
  return list.targets.flatMap(({ image }) => image ?? [])
}
