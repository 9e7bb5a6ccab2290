/** Pulls exact numbers of bytes out of a stream of chunks. */
export interface ByteReader {
  /** `count` bytes in one piece, fewer only at the end of the stream. */
  take(count: number): Promise<Buffer>
  /** At least one and at most `most` bytes, without a copy; none at the end. */
  some(most: number): Promise<Uint8Array>
  skip(count: number): Promise<void>
  /** Reads what is left, and forgets it. */
  drain(): Promise<void>
}

export function createByteReader(chunks: AsyncIterable<Uint8Array>): ByteReader {
  const iterator = chunks[Symbol.asyncIterator]()
  let current: Uint8Array = new Uint8Array(0)
  const refill = async (): Promise<boolean> => {
    while (current.length === 0) {
      const next = await iterator.next()
      if (next.done === true) return false
      current = next.value
    }
    return true
  }
  const some = async (most: number): Promise<Uint8Array> => {
    if (current.length === 0 && !(await refill())) return current
    const piece = current.subarray(0, most)
    current = current.subarray(piece.length)
    return piece
  }
  return {
    some,
    take: async (count) => {
      if (current.length >= count) {
        const piece = current.subarray(0, count)
        current = current.subarray(count)
        return Buffer.from(piece.buffer, piece.byteOffset, piece.length)
      }
      const pieces: Uint8Array[] = []
      for (let left = count; left > 0; ) {
        const piece = await some(left)
        if (piece.length === 0) break
        pieces.push(piece)
        left -= piece.length
      }
      return Buffer.concat(pieces)
    },
    skip: async (count) => {
      for (let left = count; left > 0; ) {
        const piece = await some(left)
        if (piece.length === 0) return
        left -= piece.length
      }
    },
    drain: async () => {
      current = new Uint8Array(0)
      while (await refill()) current = new Uint8Array(0)
    },
  }
}
