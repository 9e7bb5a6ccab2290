import { readFile } from 'node:fs/promises'
import * as v from 'valibot'
import { errnoOf, OssbError } from '../../core/index.ts'
import type { Credential, CredentialRequest, CredentialSource } from './credential.ts'
import { askHelper } from './helper.ts'

type Environment = Readonly<Record<string, string | undefined>>

const text = v.nullish(v.string())

const entry = v.object({
  auth: text,
  username: text,
  password: text,
  identitytoken: text,
  registrytoken: text,
})

const dockerConfig = v.object({
  auths: v.nullish(v.record(v.string(), v.nullable(entry))),
  credHelpers: v.nullish(v.record(v.string(), v.string())),
  credsStore: text,
})

type Entry = v.InferOutput<typeof entry>
type DockerConfig = v.InferOutput<typeof dockerConfig>

const LONGEST_FILE = 1024 * 1024

/** Credentials in a file in the format of Docker's `config.json` and Podman's `auth.json`. It need not be there. */
export function dockerConfigFile(path: string, environment: Environment): CredentialSource {
  const name = `the file ${path}`
  let config: Promise<DockerConfig | undefined> | undefined
  return {
    name,
    async find(request, signal) {
      config ??= readConfig(path, name)
      const known = await config
      return known === undefined ? undefined : findIn(known, { name, environment, request }, signal)
    },
  }
}

/** The same as a text. */
export function dockerConfigText(content: string, name: string, environment: Environment): CredentialSource {
  return {
    name,
    find: async (request, signal) =>
      findIn(parseConfig(content, name), { name, environment, request }, signal),
  }
}

async function readConfig(path: string, name: string): Promise<DockerConfig | undefined> {
  try {
    return parseConfig(await readFile(path, 'utf8'), name)
  } catch (error) {
    const code = errnoOf(error)
    if (error instanceof OssbError) throw error
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EACCES') return undefined
    throw unreadable(name, code ?? 'unreadable', error)
  }
}

function parseConfig(content: string, name: string): DockerConfig {
  if (content.length > LONGEST_FILE) throw unreadable(name, 'it is larger than 1 MiB')
  if (content.trim() === '') return {}
  let json: unknown
  try {
    json = JSON.parse(content)
  } catch {
    // The parser's message quotes the text around the mistake, which may be a secret.
    throw unreadable(name, 'it is not JSON')
  }
  const parsed = v.safeParse(dockerConfig, json)
  if (parsed.success) return parsed.output
  throw unreadable(name, `the member "${v.getDotPath(parsed.issues[0]) ?? ''}" is not of the right type`)
}

function unreadable(name: string, why: string, cause?: unknown): OssbError {
  return new OssbError('ERR_OSSB_USAGE', `Cannot read credentials from ${name}: ${why}`, {
    cause,
    hint: 'It is expected in the format of Docker\'s config.json: {"auths": {"registry.example.com": {"auth": "…"}}}.',
  })
}

interface Search {
  readonly name: string
  readonly environment: Environment
  readonly request: CredentialRequest
}

/** A helper that is configured for the host is asked before `auths`; `credsStore` after, as it knows most hosts not. */
async function findIn(
  config: DockerConfig,
  search: Search,
  signal: AbortSignal,
): Promise<Credential | undefined> {
  const { registry } = search.request
  const helper = Object.entries(config.credHelpers ?? {}).find(([key]) => keyScope(key) === registry)
  if (helper !== undefined)
    return askHelper({ ...search, suffix: helper[1], serverUrl: serverUrl(registry) }, signal)
  const found = bestEntry(config, search.request)
  const credential = found === undefined ? undefined : toCredential(found, search.name)
  if (credential !== undefined || !config.credsStore) return credential
  return askHelper({ ...search, suffix: config.credsStore, serverUrl: serverUrl(registry) }, signal)
}

/** The name under which credential helpers know a registry. */
function serverUrl(registry: string): string {
  return registry === 'docker.io' ? 'https://index.docker.io/v1/' : registry
}

const HUB_HOSTS: readonly string[] = ['docker.io', 'index.docker.io', 'registry-1.docker.io']

/** What a key of `auths` stands for: a host, or a host and the first parts of a path (`r.io/team`). */
function keyScope(key: string): string {
  const plain = key
    .replace(/^https?:\/\//, '')
    .replace(/\/+$/, '')
    .replace(/\/v[12]$/, '')
  const [host = '', ...path] = plain.split('/')
  return [HUB_HOSTS.includes(host) ? 'docker.io' : host, ...path].join('/')
}

/** The entry whose key names the longest leading part of `registry/repository`, in whole parts. */
function bestEntry(config: DockerConfig, request: CredentialRequest): readonly [string, Entry] | undefined {
  const wanted = `${request.registry}/${request.repository}`
  let best: { readonly scope: string; readonly found: readonly [string, Entry] } | undefined
  for (const [key, value] of Object.entries(config.auths ?? {})) {
    const scope = keyScope(key)
    if (value === null || !holdsAnything(value)) continue
    if (wanted !== scope && !wanted.startsWith(`${scope}/`)) continue
    if (best === undefined || scope.length > best.scope.length) best = { scope, found: [key, value] }
  }
  return best?.found
}

/** An empty entry is Docker's mark that the secret is in a helper. */
function holdsAnything(value: Entry): boolean {
  return Boolean(value.auth || value.username || value.identitytoken || value.registrytoken)
}

function toCredential([key, value]: readonly [string, Entry], name: string): Credential | undefined {
  const source = `${name} (entry "${key}")`
  if (value.registrytoken) return { type: 'access-token', token: value.registrytoken, source }
  if (value.identitytoken) return { type: 'identity-token', token: value.identitytoken, source }
  if (value.auth) return { type: 'basic', ...decodeAuth(value.auth, source), source }
  if (!value.username) return undefined
  return { type: 'basic', username: value.username, password: value.password ?? '', source }
}

function decodeAuth(auth: string, source: string): { readonly username: string; readonly password: string } {
  const decoded = Buffer.from(auth, 'base64').toString('utf8')
  const colon = decoded.indexOf(':')
  if (colon < 1)
    throw new OssbError(
      'ERR_OSSB_USAGE',
      `Cannot use the credentials in ${source}: "auth" is not base64 of user:password`,
    )
  return { username: decoded.slice(0, colon), password: decoded.slice(colon + 1).replace(/\0+$/, '') }
}
