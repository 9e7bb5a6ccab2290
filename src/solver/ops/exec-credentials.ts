import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileSystemError, type Job, OssbError } from '../../core/index.ts'
import type { ProcessMount } from '../../executors/index.ts'
import type { Mount } from '../../graph/index.ts'
import type { FileSession } from '../../native/index.ts'
import type { Secrets, SshAgents } from '../../sources/index.ts'
import type { Workspace } from '../../store/index.ts'
import { claimMemory } from './secret-memory.ts'

/** Where the secrets and agents of a RUN come from. */
export interface Credentials {
  readonly secrets: Pick<Secrets, 'read'>
  readonly sshAgents: SshAgents
}

export interface CredentialContext extends Credentials {
  readonly session: FileSession
  readonly workspace: Workspace
}

/** What a RUN gets of a mount, and what must be released after it. */
export interface PreparedCredential {
  readonly mount?: ProcessMount
  /** `NAME=value` */
  readonly env?: string
  readonly held: readonly AsyncDisposable[]
}

type Kind<T extends Mount['type']> = Extract<Mount, { type: T }>

const NOTHING: PreparedCredential = { held: [] }

/** A secret as a file in memory, in the environment, or both; nothing where the caller gave none. */
export async function prepareSecret(
  mount: Kind<'secret'>,
  context: CredentialContext,
  job: Job,
): Promise<PreparedCredential> {
  const value = context.secrets.read(mount.id)
  if (value === undefined) {
    if (mount.required)
      throw new OssbError('ERR_OSSB_NOT_FOUND', `secret ${mount.id}: not found`, {
        hint: `Give it to the build: --secret id=${mount.id},src=FILE or --secret id=${mount.id},env=VARIABLE.`,
      })
    return NOTHING
  }
  const env = mount.env === undefined ? {} : { env: `${mount.env}=${textOf(value, mount)}` }
  if (mount.target === undefined) return { ...env, held: [] }
  const memory = await claimMemory(context, job)
  const source = join(memory.directory, 'secret')
  try {
    writeFileSync(source, value, { mode: 0o600 })
    await give(source, mount, context, job)
  } catch (error) {
    await memory[Symbol.asyncDispose]()
    throw error
  }
  return { ...env, mount: { type: 'bind', source, target: mount.target, readonly: true }, held: [memory] }
}

/** The value must be in no message, so that whoever starts the process must not find anything wrong with it. */
function textOf(value: Uint8Array, { id, env }: Kind<'secret'>): string {
  const text = Buffer.from(value).toString()
  if (!text.includes('\0')) return text
  throw new OssbError(
    'ERR_OSSB_USAGE',
    `Cannot put the secret "${id}" into the variable "${env}": it holds a NUL character`,
  )
}

/** A socket that speaks for an agent of the caller. */
export async function prepareSshAgent(
  mount: Kind<'ssh'>,
  context: CredentialContext,
  job: Job,
): Promise<PreparedCredential> {
  const { sshAgents, workspace } = context
  if (!sshAgents.has(mount.id)) {
    if (mount.required)
      throw new OssbError('ERR_OSSB_NOT_FOUND', notForwarded(mount), {
        hint: `Forward an agent to the build: --ssh ${mount.id}, or --ssh ${mount.id}=SOCKET or KEY.`,
      })
    return NOTHING
  }
  const source = join(workspace.directory(), 'agent')
  const listening = await sshAgents.listen(mount.id, source)
  try {
    await give(source, mount, context, job)
  } catch (error) {
    await listening[Symbol.asyncDispose]()
    throw error
  }
  return { mount: { type: 'bind', source, target: mount.target, readonly: true }, held: [listening] }
}

/** BuildKit's words, in which the default agent has no name. */
function notForwarded({ id }: Kind<'ssh'>): string {
  return `no SSH key "${id === 'default' ? '' : id}" forwarded from the client`
}

async function give(
  path: string,
  { type, id, uid, gid, mode }: Kind<'secret' | 'ssh'>,
  { session }: CredentialContext,
  job: Job,
): Promise<void> {
  try {
    await session.batch([...session.chown(path, { uid, gid }), ...session.chmod(path, mode)], job)
  } catch (error) {
    throw fileSystemError(`give the ${type} "${id}" to user ${uid} and group ${gid}`, error)
  }
}
