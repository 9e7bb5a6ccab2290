import { createHash, type Hash } from 'node:crypto'
import type { Digest } from '../core/index.ts'

/** Counts and hashes what passes. `digest` and `size` are right once the stream was read to its end. */
export interface DigestTap {
  through(chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array>
  digest(): Digest
  readonly size: number
}

export function createDigestTap(): DigestTap {
  const hash: Hash = createHash('sha256')
  let size = 0
  let digest: Digest | undefined
  async function* through(chunks: AsyncIterable<Uint8Array>) {
    for await (const chunk of chunks) {
      size += chunk.length
      hash.update(chunk)
      yield chunk
    }
  }
  return {
    through,
    digest: () => (digest ??= `sha256:${hash.digest('hex')}`),
    get size() {
      return size
    },
  }
}
