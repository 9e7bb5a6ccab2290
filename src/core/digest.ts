import { createHash } from 'node:crypto'

/** A content digest as the OCI image specification writes it (descriptor.md#digests); OSSB computes SHA-256 only. */
export type Digest = `sha256:${string}`

const DIGEST_PATTERN = /^sha256:[a-f0-9]{64}$/

export function isDigest(text: string): text is Digest {
  return DIGEST_PATTERN.test(text)
}

export function digestOf(content: string | Uint8Array): Digest {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`
}

/** The 64 hex digits of a digest: its file name in an OCI layout. */
export function digestHex(digest: Digest): string {
  return digest.slice('sha256:'.length)
}
