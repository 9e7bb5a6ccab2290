/** Reads a stream of chunks in pieces of the caller's choice. */
export class ByteReader implements AsyncDisposable {
  readonly #source: AsyncIterator<Uint8Array>
  #chunk: Uint8Array = new Uint8Array(0)
  #isDone = false

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#source = chunks[Symbol.asyncIterator]()
  }

  async isAtEnd(): Promise<boolean> {
    while (this.#chunk.length === 0 && !this.#isDone) await this.#pull()
    return this.#chunk.length === 0
  }

  /** The next `count` bytes, fewer only at the end. They may share memory with the source's chunks. */
  async read(count: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = []
    let missing = count
    while (missing > 0 && !(await this.isAtEnd())) {
      const part = this.#chunk.subarray(0, missing)
      this.#chunk = this.#chunk.subarray(part.length)
      missing -= part.length
      parts.push(part)
    }
    const [only] = parts
    return parts.length === 1 && only !== undefined ? only : Buffer.concat(parts)
  }

  /** What is left after `head`, which was read before, as a stream again. */
  async *rest(head: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      if (head.length > 0) yield head
      while (!(await this.isAtEnd())) {
        const chunk = this.#chunk
        this.#chunk = chunk.subarray(chunk.length)
        yield chunk
      }
    } finally {
      await this[Symbol.asyncDispose]()
    }
  }

  async #pull(): Promise<void> {
    const next = await this.#source.next()
    if (next.done === true) this.#isDone = true
    else this.#chunk = next.value
  }

  /** Tells the source that no more is wanted. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isDone) return
    this.#isDone = true
    await this.#source.return?.()
  }
}
