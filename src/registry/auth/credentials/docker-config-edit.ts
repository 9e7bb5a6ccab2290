import { existsSync, mkdirSync, readFileSync, realpathSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileSystemError } from '../../../core/index.ts'
import { writeFileAtomic } from '../../../io/index.ts'
import {
  type DockerConfig,
  fileName,
  keyScope,
  ownHelper,
  parseConfig,
  parseJson,
  serverUrl,
} from './docker-config.ts'
import type { HelperRequest, Helpers } from './helper.ts'

/** A file of credentials that is to be changed. */
interface Target {
  readonly path: string
  readonly helpers: Helpers
}

/**
 * Keeps a password for a registry where Docker would: with the helper that the file names for it, else in the file.
 * All else in the file stays as it is.
 * @returns where that was, for people
 */
export async function storePassword(
  { path, helpers }: Target,
  login: { readonly registry: string; readonly username: string; readonly password: string },
  signal: AbortSignal,
): Promise<string> {
  const { registry, username, password } = login
  const { config, document } = read(path)
  const helper = helperFor(config, registry, path)
  if (helper !== undefined) await helpers.store(helper, login, signal)
  const auth = Buffer.from(`${username}:${password}`).toString('base64')
  // An empty entry is Docker's mark that the secret is in a helper.
  const entry = { [serverUrl(registry)]: helper === undefined ? { auth } : {} }
  write(path, document, { ...entriesWithout(document, registry), ...entry })
  return helper === undefined
    ? fileName(path)
    : `the credential helper ${helper.suffix} and ${fileName(path)}`
}

/** @returns false when there was nothing for the registry */
export async function removePassword(
  { path, helpers }: Target,
  registry: string,
  signal: AbortSignal,
): Promise<boolean> {
  const { config, document } = read(path)
  const helper = helperFor(config, registry, path)
  const erased = helper !== undefined && (await helpers.erase(helper, signal))
  const before = Object.keys(entriesOf(document))
  const after = entriesWithout(document, registry)
  const wasThere = Object.keys(after).length < before.length
  if (wasThere) write(path, document, after)
  return erased || wasThere
}

/** The registries for which there is something in the file, or with a helper that it names. */
export async function registriesIn(
  { path, helpers }: Target,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { config } = read(path)
  const store = config.credsStore
  const inStore = store ? await helpers.list({ suffix: store, namedBy: fileName(path) }, signal) : []
  const keys = [...Object.keys(config.auths ?? {}), ...Object.keys(config.credHelpers ?? {}), ...inStore]
  return [...new Set(keys.map(keyScope))].sort()
}

type Members = Readonly<Record<string, unknown>>

function read(path: string): { readonly config: DockerConfig; readonly document: Members } {
  const content = readIfThere(path)
  const config = parseConfig(content, fileName(path))
  return { config, document: membersOf(parseJson(content, fileName(path))) }
}

function readIfThere(path: string): string {
  try {
    return existsSync(path) ? readFileSync(path, 'utf8') : ''
  } catch (error) {
    throw fileSystemError(`read "${path}"`, error)
  }
}

function helperFor(config: DockerConfig, registry: string, path: string): HelperRequest | undefined {
  const suffix = ownHelper(config, { registry, repository: '' }) ?? (config.credsStore || undefined)
  return suffix === undefined
    ? undefined
    : { suffix, serverUrl: serverUrl(registry), namedBy: fileName(path) }
}

function membersOf(value: unknown): Members {
  return value !== null && typeof value === 'object' ? { ...value } : {}
}

function entriesOf(document: Members): Members {
  return membersOf(document['auths'])
}

/** All entries but those for the registry, under whatever key; those for parts of it (`r.io/team`) stay. */
function entriesWithout(document: Members, registry: string): Members {
  const scope = keyScope(registry)
  return Object.fromEntries(Object.entries(entriesOf(document)).filter(([key]) => keyScope(key) !== scope))
}

/** A file that is a link to another one stays a link. */
function write(path: string, document: Members, auths: Members): void {
  const target = existsSync(path) ? realpathSync(path) : path
  try {
    mkdirSync(dirname(target), { recursive: true, mode: 0o700 })
  } catch (error) {
    throw fileSystemError(`write "${path}"`, error)
  }
  writeFileAtomic(target, `${JSON.stringify({ ...document, auths }, undefined, '\t')}\n`, { mode: 0o600 })
}
