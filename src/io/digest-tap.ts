import { createDigester, type Digest, type DigestAlgorithm } from '../core/index.ts'

/** Counts and hashes what passes. `digest` and `size` are right once the stream was read to its end. */
export interface DigestTap {
  through(chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array>
  digest(): Digest
  readonly size: number
}

export function createDigestTap(algorithm?: DigestAlgorithm): DigestTap {
  const digester = createDigester(algorithm)
  let size = 0
  let digest: Digest | undefined
  async function* through(chunks: AsyncIterable<Uint8Array>) {
    for await (const chunk of chunks) {
      size += chunk.length
      digester.update(chunk)
      yield chunk
    }
  }
  return {
    through,
    digest: () => (digest ??= digester.digest()),
    get size() {
      return size
    },
  }
}
