import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createSecureContext, rootCertificates, type SecureContext } from 'node:tls'
import { errnoOf, OssbError } from '../core/index.ts'

type Environment = Readonly<Record<string, string | undefined>>

const SYSTEM_BUNDLES: readonly string[] = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
]
const CERTS_D: readonly string[] = ['/etc/containers/certs.d', '/etc/docker/certs.d']

/** Those of the user come first, as the tools that run without root have them. */
function certificateBases(environment: Environment): readonly string[] {
  const home = environment['HOME']
  const config = environment['XDG_CONFIG_HOME'] || (home ? join(home, '.config') : undefined)
  const own =
    config === undefined ? [] : ['containers', 'docker'].map((tool) => join(config, tool, 'certs.d'))
  return [...own, ...CERTS_D]
}

/** Whom to believe, and who to be, when talking to `host[:port]`. */
export interface Trust {
  contextFor(host: string): Promise<SecureContext>
}

/**
 * Node's own roots, the system's bundle, the files that SSL_CERT_FILE, SSL_CERT_DIR and NODE_EXTRA_CA_CERTS name, and
 * the `certs.d` directories of Docker and Podman, of the user and of the system (`*.crt` authorities, `*.cert` and `*.key` a client certificate).
 * Node reads none of these once `ca` is given. To load them takes a tenth of a second, so hosts without files of their
 * own share one context.
 */
export function createTrust(environment: Environment): Trust {
  let authorities: Promise<readonly string[]> | undefined
  let common: Promise<SecureContext> | undefined

  const contextWith = async (own: OwnCertificates): Promise<SecureContext> => {
    authorities ??= sharedAuthorities(environment)
    return createSecureContext({
      ca: [...new Set([...rootCertificates, ...(await authorities), ...own.authorities])],
      ...(own.cert === undefined || own.key === undefined ? {} : { cert: own.cert, key: own.key }),
    })
  }

  return {
    async contextFor(host) {
      const own = await ownCertificates(certificateBases(environment), host)
      if (own.authorities.length > 0 || own.cert !== undefined) return contextWith(own)
      common ??= contextWith(own)
      return common
    },
  }
}

async function sharedAuthorities(environment: Environment): Promise<readonly string[]> {
  const named = [environment['SSL_CERT_FILE'], environment['NODE_EXTRA_CA_CERTS']].filter(
    (path): path is string => path !== undefined && path !== '',
  )
  const directories = (environment['SSL_CERT_DIR'] ?? '').split(':').filter((path) => path !== '')
  const inDirectories = await Promise.all(directories.map((path) => filesIn(path, /\.(pem|crt)$|\.\d+$/)))
  const texts = await Promise.all([
    ...SYSTEM_BUNDLES.map(readIfThere),
    ...named.map(readNamed),
    ...inDirectories.flat().map(readIfThere),
  ])
  return texts.flatMap(certificatesIn)
}

interface OwnCertificates {
  readonly authorities: readonly string[]
  readonly cert?: string
  readonly key?: string
}

async function ownCertificates(bases: readonly string[], host: string): Promise<OwnCertificates> {
  const files = (
    await Promise.all(bases.map((base) => filesIn(join(base, host), /\.(crt|cert|key)$/)))
  ).flat()
  const authorities = await Promise.all(files.filter((path) => path.endsWith('.crt')).map(readIfThere))
  const cert = files.find((path) => path.endsWith('.cert'))
  if (cert === undefined) return { authorities: authorities.flatMap(certificatesIn) }
  const key = cert.replace(/cert$/, 'key')
  return {
    authorities: authorities.flatMap(certificatesIn),
    cert: await readClient(cert, host),
    key: await readClient(key, host),
  }
}

async function readClient(path: string, host: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new OssbError(
      'ERR_OSSB_USAGE',
      `Cannot use the client certificate for ${host}: "${path}": ${errnoOf(cause) ?? 'unreadable'}`,
      { cause, hint: 'A client certificate is two files that this user may read: NAME.cert and NAME.key.' },
    )
  }
}

/** The certificates of a PEM text, one by one, so that the same one in two bundles is loaded once. */
function certificatesIn(text: string): readonly string[] {
  return text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
}

async function filesIn(directory: string, wanted: RegExp): Promise<readonly string[]> {
  try {
    const names = await readdir(directory)
    return names
      .filter((name) => wanted.test(name))
      .sort()
      .map((name) => join(directory, name))
  } catch {
    return []
  }
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch {
    return ''
  }
}

/** A file that the user named must be there: silence would show up much later, as an untrusted registry. */
async function readNamed(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new OssbError(
      'ERR_OSSB_USAGE',
      `Cannot read the certificates in "${path}": ${errnoOf(cause) ?? 'unreadable'}`,
      { cause, hint: 'SSL_CERT_FILE or NODE_EXTRA_CA_CERTS names this file.' },
    )
  }
}
