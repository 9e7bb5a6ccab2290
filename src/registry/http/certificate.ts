import type { DetailedPeerCertificate, PeerCertificate, TLSSocket } from 'node:tls'

/** What a certificate says of itself, for people. */
interface Certificate {
  readonly subject: string
  readonly issuer: string
  readonly validFrom: string
  readonly validTo: string
  /** The names that it is for. */
  readonly names: readonly string[]
}

/** A server whose certificate was refused; `code` says by which check (X509_verify_cert_error_string(3), Node's TLS). */
export class CertificateFailure extends Error {
  readonly code: string
  readonly certificate: Certificate | undefined

  constructor(code: string, host: string, certificate: Certificate | undefined, cause: unknown) {
    super(`the certificate of ${host} is not trusted: ${describe(code, host, certificate)}`, { cause })
    this.name = 'CertificateFailure'
    this.code = code
    this.certificate = certificate
  }
}

const REFUSED = /^(CERT_|CRL_|UNABLE_TO_|DEPTH_ZERO|SELF_SIGNED|INVALID_CA|HOSTNAME_MISMATCH|ERR_TLS_CERT_)/

/** Whether an error code is that of a certificate which was refused here. */
export function isCertificateCode(code: string | undefined): code is string {
  return code !== undefined && REFUSED.test(code)
}

function describe(code: string, host: string, certificate: Certificate | undefined): string {
  if (certificate === undefined) return code
  const { subject, issuer } = certificate
  return `${failedCheck(code, host, certificate)} (${code}, subject "${subject}", issuer "${issuer}")`
}

function failedCheck(code: string, host: string, { names, validFrom, validTo }: Certificate): string {
  if (code === 'CERT_HAS_EXPIRED') return `it expired at ${validTo}`
  if (code === 'CERT_NOT_YET_VALID') return `it is not valid before ${validFrom}`
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return `it is for ${names.length === 0 ? 'no name' : names.join(', ')} and not for ${host}`
  if (code === 'DEPTH_ZERO_SELF_SIGNED_CERT') return 'it is signed by itself'
  if (/SELF_SIGNED|UNABLE_TO_(GET_ISSUER|VERIFY)/.test(code)) return 'its authority is not known here'
  return 'it was refused'
}

/** The certificate of a peer that `code` is about: one in its chain may be the one that is out of date. */
export function certificateOf(socket: TLSSocket, code: string, now: number): Certificate | undefined {
  const chain = chainOf(socket.getPeerCertificate(true))
  const outOfDate = chain.find((one) => Date.parse(one.valid_to) < now || Date.parse(one.valid_from) > now)
  const about = /EXPIRED|NOT_YET/.test(code) ? (outOfDate ?? chain[0]) : chain[0]
  return about === undefined ? undefined : toCertificate(about)
}

function chainOf(first: DetailedPeerCertificate): readonly PeerCertificate[] {
  const chain: PeerCertificate[] = []
  for (let at = first; at?.subject !== undefined && chain.length < 10; at = at.issuerCertificate) {
    if (chain.includes(at)) break
    chain.push(at)
  }
  return chain
}

function toCertificate(one: PeerCertificate): Certificate {
  return {
    subject: nameOf(one.subject),
    issuer: nameOf(one.issuer),
    validFrom: one.valid_from,
    validTo: one.valid_to,
    names: (one.subjectaltname ?? '').split(', ').flatMap((name) => name.replace(/^[^:]*:/, '') || []),
  }
}

/** `CN=r.io, O=Example`: a distinguished name as far as it fits into a message. */
function nameOf(name: PeerCertificate['subject']): string {
  const parts = Object.entries(name).map(([key, value]) => `${key}=${[value].flat().join('+')}`)
  return parts
    .reverse()
    .join(', ')
    .replace(/[^ -~]/g, '?')
    .slice(0, 200)
}
