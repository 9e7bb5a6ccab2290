import { OssbError } from '../core/index.ts'
import { Bzip2Bits, UnexpectedEnd } from './bzip2-bits.ts'
import { Bzip2BlockDecoder } from './bzip2-block.ts'

/**
 * More than the longest block that a bzip2 encoder can write (900 000 symbols of at most 20 bits, and its tables): a
 * block that does not end within it is corrupt.
 */
const BLOCK_INPUT_MAX = 3 * 1024 * 1024

/**
 * One or more bzip2 streams, and zeros after them. Memory is bounded, whatever the data expands to: a block gives its
 * bytes piece by piece. Randomised blocks, which no bzip2 since 0.9.5 (1999) writes, are an error.
 */
export async function* bunzip2(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const input = new Bzip2Input(chunks)
  const decoder = new Bzip2BlockDecoder()
  try {
    while (await input.fill()) {
      if (decoder.isBetweenStreams && (await input.isPadding())) return
      try {
        yield* decoder.step(input.bits)
      } catch (error) {
        if (error instanceof UnexpectedEnd)
          throw corrupt(input.isDone ? 'it ends too early' : 'a block has no end')
        throw error
      }
    }
    if (!decoder.isBetweenStreams) throw corrupt('it ends too early')
  } finally {
    await input.close()
  }
}

function corrupt(reason: string): OssbError {
  return new OssbError('ERR_OSSB_CODEC', `Cannot decompress the bzip2 data: ${reason}`)
}

/** Keeps the bits of at least one whole block at hand, as a block's length is known only at its end. */
class Bzip2Input {
  readonly bits: Bzip2Bits = new Bzip2Bits()
  readonly #source: AsyncIterator<Uint8Array>
  isDone = false

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#source = chunks[Symbol.asyncIterator]()
  }

  /** False when nothing is left. */
  async fill(): Promise<boolean> {
    const parts: Uint8Array[] = []
    let size = this.bits.bytesLeft
    while (size < BLOCK_INPUT_MAX && !this.isDone) {
      const next = await this.#source.next()
      if (next.done === true) this.isDone = true
      else {
        // Copied: the source may use the memory of a chunk again.
        parts.push(Uint8Array.from(next.value))
        size += next.value.length
      }
    }
    this.bits.append(parts)
    return size > 0
  }

  /** Whether only zeros are left; other data after the last stream is an error of its header. */
  async isPadding(): Promise<boolean> {
    while (this.bits.startsWithZeros()) {
      this.bits.skipAll()
      if (!(await this.fill())) return true
    }
    return false
  }

  async close(): Promise<void> {
    if (this.isDone) return
    this.isDone = true
    await this.#source.return?.()
  }
}
