import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createSecureContext } from 'node:tls'
import { errnoOf, OssbError } from '../../core/index.ts'
import { apiHost } from './origin.ts'
import { certificatesIn, filesIn, readIfThere } from './pem.ts'

/** Certificates that the user names for one registry (`host[:port]`). */
export interface RegistryCertificates {
  readonly registry: string
  /** A PEM file of authorities that are believed for this registry alone. */
  readonly authorities?: string
  /** PEM files of who we are to this registry. */
  readonly client?: { readonly certificate: string; readonly key: string }
}

export interface TrustOptions {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly certificates?: readonly RegistryCertificates[]
  /** Directories like /etc/docker/certs.d, looked at before those. */
  readonly certDirs?: readonly string[]
}

/** What is for one host: authorities beside the shared ones, and who we are to it. */
export interface OwnCertificates {
  readonly authorities: readonly string[]
  readonly identity?: { readonly cert: string; readonly key: string }
}

/**
 * The certificates for `host[:port]`: those that the user names, and those in `certs.d` directories of the user, of
 * Docker and of Podman (`*.crt` authorities, `*.cert` and `*.key` a client certificate). All authorities count; of the
 * client certificates the first.
 * @throws OssbError ERR_OSSB_USAGE for a file that is named and can't be used
 */
export async function ownCertificates(host: string, options: TrustOptions): Promise<OwnCertificates> {
  const named = (options.certificates ?? []).filter(({ registry }) => isFor(registry, host))
  const directories = await directoriesFor(host, options)
  const found = await Promise.all(directories.map(inDirectory))
  const authorities = await Promise.all(
    named.flatMap(({ authorities }) => (authorities === undefined ? [] : [namedAuthorities(authorities)])),
  )
  const client = named.find((one) => one.client !== undefined)?.client
  const identity =
    client === undefined
      ? found.find((one) => one.identity !== undefined)?.identity
      : await namedIdentity(client)
  return {
    authorities: [...authorities.flat(), ...found.flatMap((one) => one.authorities)],
    ...(identity === undefined ? {} : { identity }),
  }
}

/** True for the host of a registry with the port that is meant, which is 443 where none is named. */
function isFor(registry: string, host: string): boolean {
  const name = apiHost(registry).toLowerCase()
  return name === host || name === `${host}:443` || name === host.replace(/:\d+$/, '')
}

async function directoriesFor(host: string, { certDirs = [], environment }: TrustOptions) {
  const home = environment['HOME']
  const config = environment['XDG_CONFIG_HOME'] || (home ? join(home, '.config') : undefined)
  for (const directory of certDirs) await checkDirectory(directory)
  return [
    ...certDirs,
    ...(config === undefined ? [] : [join(config, 'containers/certs.d'), join(config, 'docker/certs.d')]),
    ...(home ? [join(home, '.docker/certs.d')] : []),
    '/etc/containers/certs.d',
    '/etc/docker/certs.d',
  ].map((directory) => join(directory, host))
}

/** A directory that the user named must be one of the kind that is meant: else it would say nothing, silently. */
async function checkDirectory(directory: string): Promise<void> {
  const hint = `It is to hold a directory for each registry: ${join(directory, 'registry.example.com:5000/ca.crt')}.`
  const wrong = (why: string, cause?: unknown) =>
    new OssbError('ERR_OSSB_USAGE', `Cannot use "${directory}" for --cert-dir: ${why}`, { hint, cause })
  const names = await readdir(directory).catch((cause: unknown) => {
    throw wrong(errnoOf(cause) ?? 'unreadable', cause)
  })
  if (names.some((name) => /\.(crt|cert|key)$/.test(name))) throw wrong('it holds certificates itself')
}

async function inDirectory(directory: string): Promise<OwnCertificates> {
  const files = await filesIn(directory, /\.(crt|cert|key)$/)
  const texts = await Promise.all(files.filter((path) => path.endsWith('.crt')).map(readIfThere))
  const authorities = texts.flatMap(certificatesIn)
  const certificate = files.find((path) => path.endsWith('.cert'))
  if (certificate === undefined) return { authorities }
  const key = certificate.replace(/cert$/, 'key')
  if (!files.includes(key))
    throw new OssbError(
      'ERR_OSSB_USAGE',
      `Cannot use the client certificate "${certificate}": it has no key`,
      {
        hint: `The key is expected in "${key}".`,
      },
    )
  return { authorities, identity: { cert: await readIfThere(certificate), key: await readIfThere(key) } }
}

async function namedAuthorities(path: string): Promise<readonly string[]> {
  const found = certificatesIn(await readNamed(path, 'registry-certificate'))
  if (found.length > 0) return found
  throw new OssbError(
    'ERR_OSSB_USAGE',
    `Cannot use "${path}" for --registry-certificate: it holds no certificate`,
    {
      hint: 'It is to be a file in the PEM format: -----BEGIN CERTIFICATE-----.',
    },
  )
}

async function namedIdentity(client: NonNullable<RegistryCertificates['client']>) {
  const [cert, key] = await Promise.all(
    [client.certificate, client.key].map((path) => readNamed(path, 'registry-client-cert')),
  )
  try {
    const identity = { cert: cert ?? '', key: key ?? '' }
    createSecureContext(identity)
    return identity
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new OssbError(
      'ERR_OSSB_USAGE',
      `Cannot use "${client.certificate}" and "${client.key}" for --registry-client-cert: ${why}`,
      { cause, hint: 'They are to be a certificate and its key, without a password, in the PEM format.' },
    )
  }
}

async function readNamed(path: string, flag: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new OssbError('ERR_OSSB_USAGE', `Cannot read "${path}": ${errnoOf(cause) ?? 'unreadable'}`, {
      cause,
      hint: `--${flag} names this file.`,
    })
  }
}
