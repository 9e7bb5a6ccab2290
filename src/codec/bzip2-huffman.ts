import type { Bzip2Bits } from './bzip2-bits.ts'

const MAX_LENGTH = 20

/** A canonical Huffman code: shorter codes come first, equally long ones in the order of their symbols. */
export interface HuffmanTable {
  readonly minLength: number
  readonly maxLength: number
  /** By length, at 20 bits: codes below it are that long or shorter. */
  readonly limits: Uint32Array
  /** By length: what to take from a code of that length to get its place in `symbols`. */
  readonly offsets: Int32Array
  readonly symbols: Uint16Array
}

/** @param lengths of the codes by symbol, 1 to 20 */
export function huffmanTable(lengths: Uint8Array): HuffmanTable {
  const counts = new Uint32Array(MAX_LENGTH + 1)
  for (const length of lengths) counts[length]! += 1
  const limits = new Uint32Array(MAX_LENGTH + 1)
  const offsets = new Int32Array(MAX_LENGTH + 1)
  const starts = new Uint32Array(MAX_LENGTH + 1)
  let code = 0
  let place = 0
  for (let length = 1; length <= MAX_LENGTH; length += 1) {
    const count = counts[length] as number
    offsets[length] = code - place
    starts[length] = place
    code += count
    place += count
    limits[length] = code * 2 ** (MAX_LENGTH - length)
    code *= 2
  }
  const symbols = new Uint16Array(lengths.length)
  lengths.forEach((length, symbol) => {
    symbols[starts[length] as number] = symbol
    starts[length]! += 1
  })
  return { minLength: Math.min(...lengths), maxLength: Math.max(...lengths), limits, offsets, symbols }
}

/** The symbol whose code comes next, or undefined where no code begins so. */
export function readSymbol(bits: Bzip2Bits, table: HuffmanTable): number | undefined {
  const { limits, maxLength } = table
  const next = bits.peek(MAX_LENGTH)
  for (let length = table.minLength; length <= maxLength; length += 1) {
    if (next >= (limits[length] as number)) continue
    bits.skip(length)
    return table.symbols[(next >>> (MAX_LENGTH - length)) - (table.offsets[length] as number)]
  }
  return undefined
}
