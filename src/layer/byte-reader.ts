/** What a generator yields that needs more bytes: whoever runs it adds some, or ends them, before it goes on. */
export const MORE: unique symbol = Symbol('more')

export type More = typeof MORE

/**
 * Pulls exact numbers of bytes out of chunks. Without a promise for each pull: an archive has hundreds of thousands,
 * and nearly all find their bytes there.
 */
export interface ByteReader {
  /** `count` bytes that are here already: what `take` gives, at less cost; undefined where some are not. */
  takeNow(count: number): Buffer | undefined
  /** What is here already of the bytes that `some` gives; none where nothing is. */
  someNow(most: number): Uint8Array
  /** `count` bytes in one piece, fewer only at the end of the chunks. */
  take(count: number): Generator<More, Buffer, void>
  /** At least one and at most `most` bytes, without a copy; none at the end. */
  some(most: number): Generator<More, Uint8Array, void>
  skip(count: number): Generator<More, void, void>
}

/** A reader of chunks that are handed to it. */
export interface FedReader extends ByteReader {
  add(chunk: Uint8Array): void
  end(): void
}

const NOTHING: Uint8Array = new Uint8Array(0)

export function createByteReader(): FedReader {
  let current = NOTHING
  let isEnded = false
  const piece = (most: number): Uint8Array => {
    const found = current.subarray(0, most)
    current = current.subarray(found.length)
    return found
  }
  function* some(most: number): Generator<More, Uint8Array, void> {
    while (current.length === 0) {
      if (isEnded) break
      yield MORE
    }
    return piece(most)
  }
  return {
    add: (chunk) => {
      current = chunk
    },
    end: () => {
      isEnded = true
    },
    takeNow: (count) => (current.length < count ? undefined : asBuffer(piece(count))),
    someNow: piece,
    some,
    *take(count) {
      if (current.length >= count) return asBuffer(piece(count))
      const pieces: Uint8Array[] = []
      for (let left = count; left > 0; ) {
        const found = yield* some(left)
        if (found.length === 0) break
        pieces.push(found)
        left -= found.length
      }
      return Buffer.concat(pieces)
    },
    *skip(count) {
      for (let left = count; left > 0; ) {
        const found = yield* some(left)
        if (found.length === 0) return
        left -= found.length
      }
    },
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}
