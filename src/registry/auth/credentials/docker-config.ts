import { readFile } from 'node:fs/promises'
import * as v from 'valibot'
import { errnoOf, OssbError } from '../../../core/index.ts'
import { canonicalRegistry } from '../../http/origin.ts'
import type { Credential, CredentialRequest, CredentialSource } from './credential.ts'
import type { Helpers } from './helper.ts'

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

type Text = string | null | undefined

interface Entry {
  readonly auth?: Text
  readonly username?: Text
  readonly password?: Text
  readonly identitytoken?: Text
  readonly registrytoken?: Text
}

export interface DockerConfig {
  readonly auths?: Readonly<Record<string, Entry | null>> | null | undefined
  readonly credHelpers?: Readonly<Record<string, string>> | null | undefined
  readonly credsStore?: Text
}

const LONGEST_FILE = 1024 * 1024

export interface DockerConfigFile {
  readonly path: string
  /** `flat` is Docker's old `.dockercfg`: entries without anything around them. */
  readonly format?: 'flat'
  /** A file that the user named must be there. */
  readonly required?: boolean
}

/** Credentials in a file in the format of Docker's `config.json` and Podman's `auth.json`. */
export function dockerConfigFile(file: DockerConfigFile, helpers: Helpers): CredentialSource {
  const name = fileName(file.path)
  let config: Promise<DockerConfig | undefined> | undefined
  return {
    name,
    async find(request, signal) {
      config ??= readConfig(file, name)
      const known = await config
      return known === undefined ? undefined : findIn(known, { name, helpers, request }, signal)
    },
  }
}

/** How a file is named to people. */
export function fileName(path: string): string {
  return `the file ${path}`
}

/** The same as a text. */
export function dockerConfigText(content: string, name: string, helpers: Helpers): CredentialSource {
  return {
    name,
    find: async (request, signal) => findIn(parseConfig(content, name), { name, helpers, request }, signal),
  }
}

async function readConfig(file: DockerConfigFile, name: string): Promise<DockerConfig | undefined> {
  try {
    const content = await readFile(file.path, 'utf8')
    return parseConfig(file.format === 'flat' ? `{"auths": ${content.trim() || '{}'}}` : content, name)
  } catch (error) {
    const code = errnoOf(error)
    if (error instanceof OssbError) throw error
    const isAbsent = code === 'ENOENT' || code === 'ENOTDIR' || code === 'EACCES'
    if (isAbsent && file.required !== true) return undefined
    throw unreadable(name, code ?? 'unreadable', error)
  }
}

/** The members that matter here. @throws OssbError that shows nothing of the content */
export function parseConfig(content: string, name: string): DockerConfig {
  const parsed = v.safeParse(dockerConfig, parseJson(content, name))
  if (parsed.success) return parsed.output
  throw unreadable(name, `the member "${v.getDotPath(parsed.issues[0]) ?? ''}" is not of the right type`)
}

/** The whole document, for who has to write it again. */
export function parseJson(content: string, name: string): unknown {
  if (content.length > LONGEST_FILE) throw unreadable(name, 'it is larger than 1 MiB')
  if (content.trim() === '') return {}
  try {
    return JSON.parse(content)
  } catch {
    // The parser's message quotes the text around the mistake, which may be a secret.
    throw unreadable(name, 'it is not JSON')
  }
}

function unreadable(name: string, why: string, cause?: unknown): OssbError {
  return new OssbError('ERR_OSSB_USAGE', `Cannot read credentials from ${name}: ${why}`, {
    cause,
    hint: 'It is expected in the format of Docker\'s config.json: {"auths": {"registry.example.com": {"auth": "…"}}}.',
  })
}

interface Search {
  readonly name: string
  readonly helpers: Helpers
  readonly request: CredentialRequest
}

/** A helper that is configured for the host is asked before `auths`; `credsStore` after, as it knows most hosts not. */
async function findIn(
  config: DockerConfig,
  { name, helpers, request }: Search,
  signal: AbortSignal,
): Promise<Credential | undefined> {
  const ask = (suffix: string) =>
    helpers.get({ suffix, serverUrl: serverUrl(request.registry), namedBy: name }, signal)
  const own = ownHelper(config, request)
  if (own !== undefined) return ask(own)
  const found = bestEntry(config, request)
  const credential = found === undefined ? undefined : toCredential(found, name)
  return credential !== undefined || !config.credsStore ? credential : ask(config.credsStore)
}

/** The helper that `credHelpers` names for a repository or, else, for its host. */
export function ownHelper(
  config: DockerConfig,
  { registry, repository }: CredentialRequest,
): string | undefined {
  const host = canonicalRegistry(registry)
  const helpers = Object.entries(config.credHelpers ?? {})
  const named = (scope: string) => helpers.find(([key]) => keyScope(key) === scope)?.[1]
  return named(`${host}/${repository}`) ?? named(host)
}

/** The name under which Docker's files and credential helpers know a registry. */
export function serverUrl(registry: string): string {
  const name = canonicalRegistry(registry)
  return name === 'docker.io' ? 'https://index.docker.io/v1/' : name
}

/** What a key of `auths` stands for: a host, or a host and the first parts of a path (`r.io/team`). */
export function keyScope(key: string): string {
  const plain = key
    .replace(/^https?:\/\//, '')
    .replace(/\/+$/, '')
    .replace(/\/v[12]$/, '')
  const [host = '', ...path] = plain.split('/')
  return [canonicalRegistry(host), ...path].join('/')
}

/** The entry whose key names the longest leading part of `registry/repository`, in whole parts. */
function bestEntry(config: DockerConfig, request: CredentialRequest): readonly [string, Entry] | undefined {
  const wanted = `${canonicalRegistry(request.registry)}/${request.repository}`
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
