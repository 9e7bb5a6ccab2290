import { createHash } from 'node:crypto'
import { type Descriptor, OssbError } from '../core/index.ts'

/**
 * Passes bytes on and ends with an error unless they were exactly what the descriptor says; a consumer must not
 * trust what it got before the end. Stops as soon as there is one byte too many.
 * @throws OssbError ERR_OSSB_INTEGRITY that names both digests or sizes
 */
export async function* verified(
  chunks: AsyncIterable<Uint8Array>,
  expected: Descriptor,
  from: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const hash = createHash('sha256')
  let size = 0
  for await (const chunk of chunks) {
    size += chunk.length
    if (size > expected.size)
      throw mismatch(expected, from, `it has more than the ${expected.size} bytes that its descriptor states`)
    hash.update(chunk)
    yield chunk
  }
  if (size !== expected.size)
    throw mismatch(
      expected,
      from,
      `it has ${size} bytes and not the ${expected.size} that its descriptor states`,
    )
  const digest = `sha256:${hash.digest('hex')}`
  if (digest !== expected.digest) throw mismatch(expected, from, `its digest is ${digest}`)
}

function mismatch(expected: Descriptor, from: string, why: string): OssbError {
  return new OssbError('ERR_OSSB_INTEGRITY', `Cannot use ${expected.digest} from ${from}: ${why}`, {
    hint: 'The content was damaged or replaced on its way, by a proxy, a mirror or the disk. Nothing of it was kept.',
  })
}

/** All bytes of a stream, in one piece. @throws OssbError ERR_OSSB_INTEGRITY above `limit` bytes */
export async function readAll(
  chunks: AsyncIterable<Uint8Array>,
  limit: number,
  what: string,
): Promise<Buffer> {
  const parts: Uint8Array[] = []
  let size = 0
  for await (const chunk of chunks) {
    size += chunk.length
    if (size > limit)
      throw new OssbError('ERR_OSSB_INTEGRITY', `Cannot read ${what}: it has more than ${limit} bytes`)
    parts.push(chunk)
  }
  return Buffer.concat(parts)
}
