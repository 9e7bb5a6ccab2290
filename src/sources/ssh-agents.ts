import { statSync } from 'node:fs'
import { fileSystemError, OssbError } from '../core/index.ts'
import { createHolding, type Holding } from '../io/index.ts'
import { forwardAgent } from './ssh-forward.ts'
import { startKeyAgent } from './ssh-key-agent.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** `--ssh`: an agent's socket, or private keys. Without a path it is the agent that SSH_AUTH_SOCK names. */
export interface SshSource {
  readonly id: string
  readonly paths: readonly string[]
  /** Everything goes through, not only what a client needs to log in. */
  readonly raw: boolean
}

/** The SSH agents of a build, by id. */
export interface SshAgents extends AsyncDisposable {
  has(id: string): boolean
  /** Makes a socket at `path` that speaks for the agent, until it is disposed of. */
  listen(id: string, path: string): Promise<AsyncDisposable>
}

export interface SshAgentsOptions {
  readonly sources: readonly SshSource[]
  readonly environment: Environment
  /** Makes an empty directory that nobody else may enter. */
  readonly directory: () => string
}

interface Agent {
  /** The path of its socket. */
  open(): Promise<string>
  readonly raw: boolean
}

/**
 * @throws OssbError ERR_OSSB_USAGE for what is neither a socket nor a key file; ERR_OSSB_NOT_FOUND from `listen` where
 *   keys were given and there is no ssh-agent
 */
export function openSshAgents(options: SshAgentsOptions): SshAgents {
  const holding = createHolding()
  const agents = new Map(options.sources.map((source) => [source.id, agentOf(source, options, holding)]))
  return {
    has: (id) => agents.has(id),
    listen: async (id, path) => {
      const agent = agents.get(id)
      if (agent === undefined)
        throw new OssbError('ERR_OSSB_NOT_FOUND', `Cannot forward the SSH agent "${id}": there is none`)
      return await forwardAgent({ agent: await agent.open(), path, raw: agent.raw })
    },
    [Symbol.asyncDispose]: () => holding[Symbol.asyncDispose](),
  }
}

function agentOf(
  { id, paths, raw }: SshSource,
  { environment, directory }: SshAgentsOptions,
  holding: Holding,
): Agent {
  const named = paths.length === 0 ? [environment['SSH_AUTH_SOCK'] ?? ''] : paths
  if (named.includes(''))
    throw new OssbError('ERR_OSSB_USAGE', 'invalid empty ssh agent socket, make sure SSH_AUTH_SOCK is set', {
      hint: 'Start an agent with "eval $(ssh-agent)", or name a socket or a key: --ssh default=PATH.',
    })
  const sockets = named.filter((path) => isSocket(id, path))
  const [socket] = sockets
  if (socket !== undefined) {
    if (sockets.length < named.length) throw mixed(id, 'invalid combination of keys and sockets')
    if (sockets.length > 1) throw mixed(id, 'only single socket allowed')
    return { open: () => Promise.resolve(socket), raw }
  }
  if (raw) throw mixed(id, 'raw mode needs a socket')
  let started: Promise<string> | undefined
  const start = async () => {
    const agent = await startKeyAgent({ id, keys: named, directory: directory(), environment })
    return holding.hold(agent).socket
  }
  return { open: () => (started ??= start()), raw: false }
}

function isSocket(id: string, path: string): boolean {
  try {
    return statSync(path).isSocket()
  } catch (error) {
    throw fileSystemError(`use "${path}" for the SSH agent "${id}"`, error)
  }
}

function mixed(id: string, reason: string): OssbError {
  return new OssbError('ERR_OSSB_USAGE', `Cannot make the SSH agent "${id}": ${reason}`, {
    hint: 'Give one socket, or one or more private key files.',
  })
}
