import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { type Job, OssbError } from '../core/index.ts'
import { runProcess } from '../io/index.ts'

export interface KeyAgentOptions {
  readonly id: string
  /** Private key files without a passphrase. */
  readonly keys: readonly string[]
  /** Where its socket is made. */
  readonly directory: string
  readonly environment: Readonly<Record<string, string | undefined>>
}

export interface KeyAgent extends AsyncDisposable {
  readonly socket: string
}

const ATTEMPTS = 500
const PAUSE = 10

/** Starts an ssh-agent that holds the keys, and ends it when it is disposed of. */
export async function startKeyAgent(options: KeyAgentOptions): Promise<KeyAgent> {
  const { directory, environment } = options
  const socket = join(directory, 'agent')
  const env = { PATH: environment['PATH'], HOME: environment['HOME'] }
  const stop = new AbortController()
  const job: Job = { signal: stop.signal, emit: () => undefined }
  let failure: unknown
  const agent = runProcess(['ssh-agent', '-D', '-a', socket], { env }, job).then(
    ({ stderr }) => {
      failure = new Error(stderr.trim() || 'it ended')
    },
    (error: unknown) => {
      failure = error
    },
  )
  const dispose = async () => {
    stop.abort(new Error('the build is over'))
    await agent
  }
  try {
    await made(socket, () => failure)
    await addKeys(options, { ...env, SSH_AUTH_SOCK: socket }, job)
    return { socket, [Symbol.asyncDispose]: dispose }
  } catch (error) {
    await dispose()
    throw refusal(options, error)
  }
}

async function made(socket: string, failure: () => unknown): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const reason = failure()
    if (reason !== undefined) throw reason
    if (lstatSync(socket, { throwIfNoEntry: false }) !== undefined) return
    await wait(PAUSE)
  }
  throw new Error('ssh-agent made no socket')
}

/** Nobody is there to be asked for a passphrase. */
async function addKeys(
  { keys }: KeyAgentOptions,
  env: Readonly<Record<string, string | undefined>>,
  job: Job,
): Promise<void> {
  const silent = { ...env, SSH_ASKPASS: '/bin/false', SSH_ASKPASS_REQUIRE: 'force' }
  const { exitCode, stderr } = await runProcess(['ssh-add', '-q', '--', ...keys], { env: silent }, job)
  if (exitCode !== 0)
    throw new Error(stderr.trim().split('\n').join('; ') || `ssh-add ended with ${exitCode}`)
}

function refusal({ id }: KeyAgentOptions, cause: unknown): OssbError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new OssbError('ERR_OSSB_NOT_FOUND', `Cannot load the keys of the SSH agent "${id}": ${reason}`, {
    cause,
    hint: 'Keys need the programs ssh-agent and ssh-add (openssh-client), and no passphrase; else start an agent yourself, and give its socket.',
  })
}
