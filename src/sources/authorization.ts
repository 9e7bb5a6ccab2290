/** The value of a secret of the build, by id; undefined where the caller gave none. */
export type ReadSecret = (id: string) => string | undefined

/**
 * The `Authorization` that a download needs: from the secrets `HTTP_AUTH_HEADER_<host>` (the whole value) or
 * `HTTP_AUTH_TOKEN_<host>` (a bearer token), else `user:password@` of the URL. It holds for this very URL: each
 * redirect asks again, so that nothing follows to another host.
 */
export function downloadAuthorization(url: URL, secret: ReadSecret): string | undefined {
  const header = ofHost('HTTP_AUTH_HEADER_', url, secret)
  if (header !== undefined) return header
  const token = ofHost('HTTP_AUTH_TOKEN_', url, secret)
  if (token !== undefined) return `Bearer ${token}`
  if (url.username === '' && url.password === '') return undefined
  return basic(decodeURIComponent(url.username), decodeURIComponent(url.password))
}

/**
 * The `Authorization` for a git repository over HTTP: from the secrets `GIT_AUTH_HEADER[.<host>]` (the whole value) or
 * `GIT_AUTH_TOKEN[.<host>]` (an access token, as code hosts take it). Undefined for other protocols.
 */
export function gitAuthorization(remote: string, secret: ReadSecret): string | undefined {
  const url = httpUrl(remote)
  if (url === undefined) return undefined
  const header = ofHost('GIT_AUTH_HEADER.', url, secret) ?? valueOf('GIT_AUTH_HEADER', secret)
  if (header !== undefined) return header
  const token = ofHost('GIT_AUTH_TOKEN.', url, secret) ?? valueOf('GIT_AUTH_TOKEN', secret)
  return token === undefined ? undefined : basic('x-access-token', token)
}

/**
 * What makes git send a header to the host of a repository, and to no other. In the environment and not among the
 * arguments, which every process of the machine can read.
 */
export function gitHeaderSettings(
  remote: string,
  authorization: string,
  environment: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string>> {
  const count = Number(environment['GIT_CONFIG_COUNT'] ?? '0') || 0
  return {
    GIT_CONFIG_COUNT: String(count + 1),
    [`GIT_CONFIG_KEY_${count}`]: `http.${new URL(remote).origin}/.extraHeader`,
    [`GIT_CONFIG_VALUE_${count}`]: `Authorization: ${authorization}`,
  }
}

function httpUrl(remote: string): URL | undefined {
  const url = URL.canParse(remote) ? new URL(remote) : undefined
  return url?.protocol === 'https:' || url?.protocol === 'http:' ? url : undefined
}

function ofHost(prefix: string, { host, hostname }: URL, secret: ReadSecret): string | undefined {
  return valueOf(`${prefix}${host}`, secret) ?? valueOf(`${prefix}${hostname}`, secret)
}

/** A secret from a file often ends with a line break. */
function valueOf(id: string, secret: ReadSecret): string | undefined {
  const value = secret(id)?.trim()
  return value === undefined || value === '' ? undefined : value
}

function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
}
