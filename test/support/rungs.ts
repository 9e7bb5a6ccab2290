import { dirname } from 'node:path'
import { afterAll } from 'vitest'
import { miniBase } from './base-image.ts'
import type { RunningCommand } from './command.ts'
import { canRunContainers, type Docker, PROGRAM_IN_CONTAINER, startDocker } from './container.ts'
import { type Identity, identities } from './identity.ts'
import type { OssbOptions, Workspace } from './workspace.ts'

/** One way in which a build isolates its RUN steps. What holds for one holds for all: tests go by this table. */
export interface Rung {
  readonly name: string
  /** Who owns the workspace and builds. */
  readonly identity: Identity
  /** What `hostile.test.ts` finds that it can't keep a RUN from, by the names that it uses there. */
  readonly weaknesses: readonly string[]
  /** Whether a RUN is in namespaces of its own. */
  readonly hasNamespaces: boolean
  start(workspace: Workspace, args: readonly string[], options?: OssbOptions): RunningCommand
}

/**
 * Those that this machine and whoever runs the tests can have, the strongest first. To be called at the top of a test
 * file: what they need is stopped at its end.
 */
export async function rungs(): Promise<readonly Rung[]> {
  const own = (await identities()).flatMap((identity) =>
    identity.name === 'root'
      ? [ownRung('rung 1 (root)', identity, {})]
      : [
          ownRung('rung 2 (id range)', identity, {}),
          ownRung('rung 3 (one id)', identity, { OSSB_ID_RANGE: 'none' }),
          ...(canRunContainers ? [] : [tracedRung(identity)]),
        ],
  )
  return [...own, ...(await containerRungs())]
}

/** In a container of Docker's defaults with nothing to write to but the workspace, as Kubernetes can have it too. */
async function containerRungs(): Promise<readonly Rung[]> {
  const root = (await identities()).find(({ name }) => name === 'root')
  if (root === undefined || !canRunContainers) return []
  const docker = await startDocker()
  afterAll(() => docker[Symbol.asyncDispose]())
  const images = dirname(await miniBase())
  return [
    containerRung('rung 4 (root in a container)', { identity: root, docker, images }),
    containerRung('rung 5 (traced in a container)', {
      identity: { ...root, uid: 1000, gid: 1000 },
      docker,
      images,
      user: '1000',
      options: ['--cap-drop=ALL', '--security-opt=no-new-privileges'],
    }),
  ]
}

/** Where there is no container: as one who would have a stronger rung. */
function tracedRung(identity: Identity): Rung {
  return {
    ...ownRung('rung 5 (traced)', identity, { OSSB_EXECUTOR: 'traced' }),
    weaknesses: ['shm', 'dev'],
    hasNamespaces: false,
  }
}

interface ContainerRungOptions {
  readonly identity: Identity
  readonly docker: Docker
  /** A directory of base images. */
  readonly images: string
  readonly user?: '0' | '1000'
  /** More of `docker run`. */
  readonly options?: readonly string[]
}

function containerRung(
  name: string,
  { identity, docker, images, user = '0', options = [] }: ContainerRungOptions,
): Rung {
  return {
    name,
    identity,
    // The container's, which end with the build.
    hasNamespaces: true,
    // Nothing limits a directory.
    weaknesses: ['shm', 'dev'],
    start: (workspace, args, { env, timeout } = {}) => {
      const { path } = workspace
      const places = { HOME: workspace.file('home'), TMPDIR: workspace.file('tmp'), XDG_CACHE_HOME: path }
      return docker.start(['node', PROGRAM_IN_CONTAINER, ...args], {
        user,
        volumes: [path, images],
        env: { ...places, ...env },
        options: ['--read-only', '--shm-size=64m', ...options],
        ...(timeout === undefined ? {} : { timeout }),
      })
    },
  }
}

function ownRung(name: string, identity: Identity, env: Readonly<Record<string, string>>): Rung {
  return {
    name,
    identity,
    weaknesses: [],
    hasNamespaces: true,
    start: (workspace, args, options = {}) =>
      workspace.startOssb(args, { ...options, env: { ...env, ...options.env } }),
  }
}
