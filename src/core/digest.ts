import { createHash } from 'node:crypto'

/** The algorithms that image-spec descriptor.md registers and every reader may be asked for. */
export type DigestAlgorithm = 'sha256' | 'sha512'

/**
 * A content digest as the OCI image specification writes it (descriptor.md#digests): the algorithm and lower-case hex
 * digits. What OSSB makes has SHA-256; what others made may have SHA-512.
 */
export type Digest = `${DigestAlgorithm}:${string}`

/** A digest within another pattern. */
export const DIGEST_PATTERN = '(?:sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128})'

const WHOLE_DIGEST = new RegExp(`^${DIGEST_PATTERN}$`)

export function isDigest(text: string): text is Digest {
  return WHOLE_DIGEST.test(text)
}

export function digestOf(content: string | Uint8Array, algorithm: DigestAlgorithm = 'sha256'): Digest {
  return createDigester(algorithm).update(content).digest()
}

/** Takes content piece by piece; `digest` ends it. */
export interface Digester {
  update(content: string | Uint8Array): Digester
  digest(): Digest
}

export function createDigester(algorithm: DigestAlgorithm = 'sha256'): Digester {
  const hash = createHash(algorithm)
  const digester: Digester = {
    update(content) {
      hash.update(content)
      return digester
    },
    digest: () => `${algorithm}:${hash.digest('hex')}`,
  }
  return digester
}

export function algorithmOf(digest: Digest): DigestAlgorithm {
  return digest.startsWith('sha512:') ? 'sha512' : 'sha256'
}

/** Whether content has a digest, of whichever algorithm. */
export function hasDigest(content: Uint8Array, digest: Digest): boolean {
  return digestOf(content, algorithmOf(digest)) === digest
}

/** The hex digits of a digest: its file name in an OCI layout. */
export function digestHex(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1)
}
