import { readFile } from 'node:fs/promises'
import { createSecureContext, rootCertificates, type SecureContext } from 'node:tls'
import { errnoOf, OssbError } from '../../core/index.ts'
import { ownCertificates, type OwnCertificates, type TrustOptions } from './own-certificates.ts'
import { certificatesIn, filesIn, readIfThere } from './pem.ts'

type Environment = TrustOptions['environment']

const SYSTEM_BUNDLES: readonly string[] = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
]

/** Whom to believe, and who to be, when talking to `host[:port]`. */
export interface Trust {
  contextFor(host: string): Promise<SecureContext>
  /** Who to be alone: for where no certificate can be believed, or any is. It is there at once. */
  identityFor(host: string): Promise<SecureContext>
}

/**
 * Node's own roots, the system's bundle, the files that SSL_CERT_FILE, SSL_CERT_DIR and NODE_EXTRA_CA_CERTS name, and
 * what is for this host alone: see `ownCertificates`.
 * Node reads none of these once `ca` is given. To load them takes a tenth of a second, so hosts without files of their
 * own share one context.
 */
export function createTrust(options: TrustOptions): Trust {
  let authorities: Promise<readonly string[]> | undefined
  let common: Promise<SecureContext> | undefined

  const contextWith = async (own: OwnCertificates): Promise<SecureContext> => {
    authorities ??= sharedAuthorities(options.environment)
    return createSecureContext({
      ca: [...new Set([...rootCertificates, ...(await authorities), ...own.authorities])],
      ...own.identity,
    })
  }

  return {
    async contextFor(host) {
      const own = await ownCertificates(host, options)
      if (own.authorities.length > 0 || own.identity !== undefined) return contextWith(own)
      common ??= contextWith(own)
      return common
    },
    async identityFor(host) {
      const { identity } = await ownCertificates(host, options)
      return createSecureContext({ ca: [], ...identity })
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
