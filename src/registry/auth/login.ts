import { type Job, OssbError } from '../../core/index.ts'
import type { CredentialSource } from './credentials/credential.ts'
import { registriesIn, removePassword, storePassword } from './credentials/docker-config-edit.ts'
import { fileName } from './credentials/docker-config.ts'
import { createHelpers } from './credentials/helper.ts'
import { defaultKeychain, type KeychainOptions, loginFile } from './credentials/keychain.ts'
import { canonicalRegistry } from '../http/origin.ts'
import { createRegistryClient, type RegistryOptions } from '../mirrors/routed-client.ts'

export interface LoginOptions extends Omit<RegistryOptions, 'keychain'> {
  readonly registry: string
  readonly username: string
  readonly password: string
}

export interface LoginResult {
  readonly registry: string
  /** Where the password is kept now, for people: "the file /home/me/.docker/config.json". */
  readonly storedIn: string
  /** Another place that has credentials for the registry, and is looked at before. */
  readonly shadowedBy?: string
}

/**
 * Asks a registry whether it takes a user name and password, and keeps them where `docker login` would.
 * @throws OssbError when it refuses or can't be asked; nothing is kept then
 */
export async function login(options: LoginOptions, job: Job): Promise<LoginResult> {
  const { username, password } = options
  const registry = canonicalRegistry(options.registry)
  const path = fileOf(options)
  await using client = createRegistryClient({ ...options, keychain: given(username, password) })
  await client.checkLogin(registry, job)
  const helpers = createHelpers(options)
  const storedIn = await storePassword({ path, helpers }, { registry, username, password }, job.signal)
  const first = await sourceFor(registry, options, job)
  const isShadowed = first !== undefined && !first.includes(fileName(path))
  return { registry, storedIn, ...(isShadowed ? { shadowedBy: first } : {}) }
}

export interface LogoutOptions extends KeychainOptions {
  readonly registry?: string
}

export interface LogoutResult {
  /** The registries for which something was there. */
  readonly removed: readonly string[]
  /** The file from which it was removed. */
  readonly file: string
  /** A place that still has credentials for the registry. */
  readonly remaining?: string
}

/** Removes what a login has kept for a registry, or for all of them, from the file and helpers that a login uses. */
export async function logout(options: LogoutOptions, job: Job): Promise<LogoutResult> {
  const target = { path: fileOf(options), helpers: createHelpers(options) }
  const wanted =
    options.registry === undefined
      ? await registriesIn(target, job.signal)
      : [canonicalRegistry(options.registry)]
  const removed: string[] = []
  for (const registry of wanted)
    if (await removePassword(target, registry, job.signal)) removed.push(registry)
  const remaining =
    options.registry === undefined
      ? undefined
      : await sourceFor(canonicalRegistry(options.registry), options, job)
  return { removed, file: target.path, ...(remaining === undefined ? {} : { remaining }) }
}

function fileOf(options: KeychainOptions): string {
  const path = loginFile(options)
  if (path !== undefined) return path
  throw new OssbError(
    'ERR_OSSB_USAGE',
    'Cannot tell where credentials are kept: there is no home directory',
    {
      hint: 'Set HOME or DOCKER_CONFIG, or name a file with --authfile.',
    },
  )
}

function given(username: string, password: string): CredentialSource {
  const name = 'the command line'
  return { name, find: () => Promise.resolve({ type: 'basic', username, password, source: name }) }
}

/** Where a build would find credentials now. Trouble with other places is not that of a login. */
async function sourceFor(registry: string, options: KeychainOptions, job: Job): Promise<string | undefined> {
  const keychain = defaultKeychain(options)
  try {
    return (await keychain.find({ registry, repository: '' }, job.signal))?.source
  } catch {
    job.signal.throwIfAborted()
    return undefined
  }
}
