import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface CertificateRequest {
  /** Names and addresses that it is for: `localhost`, `127.0.0.1`. */
  readonly names: readonly string[]
  /** `YYYYMMDDHHMMSSZ`; from a day ago, to a day ahead. */
  readonly from?: string
  readonly to?: string
}

export interface IssuedCertificate {
  readonly certFile: string
  readonly keyFile: string
  readonly cert: Buffer
  readonly key: Buffer
}

/** A certificate authority of a test's own. */
export interface Authority {
  readonly caFile: string
  readonly ca: Buffer
  /** `file` is the name of the files, without extension. */
  issue(file: string, request: CertificateRequest): IssuedCertificate
}

const DAY_MS = 24 * 3600 * 1000
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

/** Makes an authority in a directory, which its files and those of its certificates fill. */
export function createAuthority(directory: string, name = 'OSSB test authority'): Authority {
  const file = (path: string) => join(directory, path)
  const openssl = (...args: readonly (readonly string[])[]) =>
    execFileSync('openssl', args.flat(), { cwd: directory, stdio: ['ignore', 'ignore', 'pipe'] })
  openssl(
    ['req', '-x509', ...NEW_KEY, '-days', '2', '-subj', `/CN=${name}`],
    ['-addext', 'keyUsage=critical,keyCertSign', '-keyout', 'ca.key', '-out', 'ca.crt'],
  )
  writeFileSync(file('ca.index'), '')
  writeFileSync(file('ca.serial'), '1000')
  writeFileSync(file('ca.cnf'), AUTHORITY_CONFIG)

  return {
    caFile: file('ca.crt'),
    ca: readFileSync(file('ca.crt')),
    issue(base, { names, from = stamp(-DAY_MS), to = stamp(DAY_MS) }) {
      const alternatives = names.map((one) => `${/^[\d.]+$|:/.test(one) ? 'IP' : 'DNS'}:${one}`).join(',')
      writeFileSync(
        file(`${base}.ext`),
        `subjectAltName=${alternatives}\nextendedKeyUsage=serverAuth,clientAuth\nbasicConstraints=CA:FALSE\n`,
      )
      openssl(
        ['req', ...NEW_KEY, '-subj', `/CN=${names[0] ?? base}`],
        ['-keyout', `${base}.key`, '-out', `${base}.csr`],
      )
      openssl(
        ['ca', '-batch', '-notext', '-config', 'ca.cnf', '-startdate', from, '-enddate', to],
        ['-extfile', `${base}.ext`, '-in', `${base}.csr`, '-out', `${base}.crt`],
      )
      const [certFile, keyFile] = [file(`${base}.crt`), file(`${base}.key`)]
      return { certFile, keyFile, cert: readFileSync(certFile), key: readFileSync(keyFile) }
    },
  }
}

function stamp(fromNow: number): string {
  return new Date(Date.now() + fromNow).toISOString().replace(/[-:T]|\.\d+/g, '')
}

const AUTHORITY_CONFIG = `[ca]
default_ca = own
[own]
database = ca.index
new_certs_dir = .
serial = ca.serial
certificate = ca.crt
private_key = ca.key
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
`
