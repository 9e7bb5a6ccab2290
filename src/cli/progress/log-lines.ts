import { sanitizeText } from './text.ts'

const NEWLINE = 0x0a
/** A line longer than this is cut, so that output without line ends cannot fill the memory. */
const MAX_LINE_BYTES = 16 * 1024

/** The bytes after the last line end, and the lines before it. */
export interface SplitLines {
  readonly lines: readonly string[]
  readonly rest: Uint8Array
}

export const NO_BYTES: Uint8Array = new Uint8Array(0)

/**
 * Takes whole lines out of `rest` followed by `chunk`. A UTF-8 sequence never holds the byte of a line end, so a
 * character cut between two chunks is whole again before it is decoded.
 */
export function splitLines(rest: Uint8Array, chunk: Uint8Array): SplitLines {
  let bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
  const lines: string[] = []
  for (;;) {
    const end = bytes.indexOf(NEWLINE)
    if (end !== -1 && end <= MAX_LINE_BYTES) {
      lines.push(decodeLine(bytes.subarray(0, end)))
      bytes = bytes.subarray(end + 1)
    } else if (bytes.length > MAX_LINE_BYTES) {
      const cut = characterBoundary(bytes, MAX_LINE_BYTES)
      lines.push(decodeLine(bytes.subarray(0, cut)))
      bytes = bytes.subarray(cut)
    } else {
      // The chunk's memory belongs to its sender, who may use it again.
      return { lines, rest: Uint8Array.from(bytes) }
    }
  }
}

/** A line as a terminal would show it in the end: what follows the last return to its start, without control sequences. */
export function decodeLine(bytes: Uint8Array): string {
  const segments = new TextDecoder().decode(bytes).split('\r')
  return sanitizeText(segments.findLast((segment) => segment !== '') ?? '')
}

/** The greatest index up to `limit` that does not cut a UTF-8 sequence. */
function characterBoundary(bytes: Uint8Array, limit: number): number {
  let at = limit
  while (at > limit - 4 && ((bytes[at] ?? 0) & 0xc0) === 0x80) at -= 1
  return at
}
