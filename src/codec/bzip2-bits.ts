/** A read went past the bytes that are at hand. */
export class UnexpectedEnd extends Error {}

/** Bits of a byte stream, the highest of each byte first. */
export class Bzip2Bits {
  #bytes: Uint8Array = new Uint8Array(0)
  #position = 0
  #buffer = 0
  #count = 0

  /** Whole bytes that were not read; bits of a byte that was begun do not count. */
  get bytesLeft(): number {
    return this.#bytes.length - this.#position + (this.#count >> 3)
  }

  append(parts: readonly Uint8Array[]): void {
    if (parts.length === 0) return
    this.#bytes = Buffer.concat([this.#bytes.subarray(this.#position), ...parts])
    this.#position = 0
  }

  /** @param count 0 to 24 */
  read(count: number): number {
    const value = this.peek(count)
    this.skip(count)
    return value
  }

  /** The next bits without reading them; beyond the end they are zeros. @param count 0 to 24 */
  peek(count: number): number {
    while (this.#count < count) {
      const byte = this.#position < this.#bytes.length ? (this.#bytes[this.#position] as number) : 0
      this.#position += 1
      this.#buffer = ((this.#buffer << 8) | byte) >>> 0
      this.#count += 8
    }
    return (this.#buffer >>> (this.#count - count)) & ((1 << count) - 1)
  }

  /** @throws UnexpectedEnd where the bits that were peeked at are beyond the end */
  skip(count: number): void {
    this.#count -= count
    if (this.#position - (this.#count >> 3) > this.#bytes.length) throw new UnexpectedEnd()
  }

  /** Leaves out what is left of a byte that was begun. */
  align(): void {
    this.#count -= this.#count & 7
  }

  startsWithZeros(): boolean {
    this.#giveBack()
    return this.#bytes.subarray(this.#position).every((byte) => byte === 0)
  }

  skipAll(): void {
    this.#bytes = new Uint8Array(0)
    this.#position = 0
    this.#count = 0
  }

  /** Whole bytes that were looked at are read again. */
  #giveBack(): void {
    this.#position -= this.#count >> 3
    this.#count = 0
  }
}
