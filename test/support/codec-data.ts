import { Buffer } from 'node:buffer'

/** A generator of bytes that look random and are the same in every run (xorshift32). */
export function randomBytes(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length)
  let state = seed | 1
  for (let i = 0; i < length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[i] = state & 255
  }
  return bytes
}

/** Something between text and machine code: words of a skewed vocabulary, with stretches of noise. */
export function mixedBytes(length: number, seed = 1): Buffer {
  const noise = randomBytes(length, seed)
  const words = Array.from({ length: 200 }, (_, i) =>
    Buffer.from(randomBytes(2 + (i % 9), i + 7).toString('base64')),
  )
  const bytes = Buffer.alloc(length)
  for (let at = 0; at < length; ) {
    const pick = noise[at] ?? 0
    const word = words[(pick * pick) % words.length]
    at += pick > 250 || word === undefined ? noise.copy(bytes, at, at, at + 40) : word.copy(bytes, at)
  }
  return bytes
}

/** `bytes` as a stream of chunks of the given size. */
export async function* chunksOf(
  bytes: Uint8Array,
  size = 65_536,
): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

export async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const chunk of chunks) parts.push(chunk)
  return Buffer.concat(parts)
}
