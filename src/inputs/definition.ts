import { basename } from 'node:path'
import {
  digestOf,
  formatPlatform,
  hostPlatform,
  type Job,
  OssbError,
  type Platform,
  parsePlatform,
} from '../core/index.ts'
import { createDockerfileFrontend } from '../frontends/index.ts'
import type {
  ConfigResolver,
  DockerfileInput,
  Frontend,
  NamedContext,
  Plan,
  RunSettings,
  SourceTime,
} from '../graph/index.ts'
import type { DefinitionOptions } from '../options/index.ts'
import { type FoundDockerfile, readIgnoreFile } from '../sources/index.ts'

const FRONTENDS: Readonly<Record<string, () => Frontend<DockerfileInput>>> = {
  dockerfile: createDockerfileFrontend,
}

/** What is to be built, read but not yet understood, and the frontend that understands it. */
export interface Definition {
  readonly frontend: Frontend<DockerfileInput>
  readonly input: DockerfileInput
  readonly dockerfile: FoundDockerfile
}

export interface DefinitionParts {
  readonly dockerfile: FoundDockerfile
  readonly namedContexts: readonly NamedContext[]
  /** The main context, where it is a directory, whose ignore file the checks need. */
  readonly directory?: string
  /** How old sources are. */
  readonly timeOf?: SourceTime
}

export function createDefinition(
  options: DefinitionOptions,
  { dockerfile, namedContexts, directory, timeOf }: DefinitionParts,
): Definition {
  const ignore = directory === undefined ? undefined : readIgnoreFile(directory, dockerfile.path)
  const input: DockerfileInput = {
    file: { name: dockerfile.name, text: dockerfile.text },
    platforms: platformsOf(options),
    buildPlatform: hostPlatform(),
    buildArgs: { ...epochArgument(options), ...options.buildArgs },
    labels: options.labels,
    ...(options.target === undefined ? {} : { target: options.target }),
    namedContexts,
    ...(ignore === undefined ? {} : { ignorePatterns: ignore.patterns }),
    ...(timeOf === undefined ? {} : { timeOf }),
    run: runSettings(options),
  }
  return { frontend: frontendOf(options), input, dockerfile }
}

function runSettings({ network, extraHosts, shmSize, ulimits }: DefinitionOptions): RunSettings {
  return {
    ...(network === undefined ? {} : { network }),
    ...(extraHosts === undefined ? {} : { extraHosts }),
    ...(shmSize === undefined ? {} : { shmSize }),
    ...(ulimits === undefined ? {} : { ulimits }),
  }
}

/** The plans, as a step of its own, which the warnings belong to. */
export async function planDefinition(
  { frontend, input }: Definition,
  images: ConfigResolver,
  job: Job,
): Promise<readonly Plan[]> {
  const name = `[internal] load build definition from ${basename(input.file.name)}`
  const vertex = digestOf(name)
  job.emit({ vertex, type: 'started', name })
  try {
    return await frontend.plan(input, images, {
      signal: job.signal,
      emit: (event) => job.emit(event.type === 'warning' ? { vertex, ...event } : event),
    })
  } finally {
    job.emit({ vertex, type: 'completed', name })
  }
}

function frontendOf({ frontend }: DefinitionOptions): Frontend<DockerfileInput> {
  const create = FRONTENDS[frontend]
  if (create !== undefined) return create()
  throw new OssbError('ERR_OSSB_USAGE', `Cannot use the frontend "${frontend}": there is none of this name`, {
    hint: `Frontends: ${Object.keys(FRONTENDS).join(', ')}.`,
  })
}

/** Each once, however it is written. */
function platformsOf({ platforms }: DefinitionOptions): readonly Platform[] {
  const all = platforms.length === 0 ? [hostPlatform()] : platforms.map((platform) => parsePlatform(platform))
  return [...new Map(all.map((platform) => [formatPlatform(platform), platform])).values()]
}

/** Like buildx, hands SOURCE_DATE_EPOCH of the environment on as a build argument (reproducible-builds.org/specs). */
function epochArgument({ environment, reproducible = false }: DefinitionOptions): {
  readonly SOURCE_DATE_EPOCH?: string
} {
  const text = environment['SOURCE_DATE_EPOCH'] ?? (reproducible ? '0' : undefined)
  return text === undefined ? {} : { SOURCE_DATE_EPOCH: text }
}
