import { usageError } from './usage-error.ts'

const LONGEST_PASSWORD = 64 * 1024

/** All of standard input but the line break at its end, which a file or `echo` leaves there. */
export async function readPassword(stdin: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of stdin) {
    chunks.push(chunk)
    size += chunk.length
    if (size > LONGEST_PASSWORD)
      throw usageError('Cannot read a password of more than 64 KiB', 'Is this the right file?')
  }
  return Buffer.concat(chunks)
    .toString('utf8')
    .replace(/\r?\n$/, '')
}
