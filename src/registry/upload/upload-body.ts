import { Readable } from 'node:stream'
import { algorithmOf, createDigester, type Descriptor, OssbError } from '../../core/index.ts'
import { checkedChunks } from '../../io/index.ts'

/** The content of a blob, in parts that are read one after the other. */
export interface BlobReader {
  /** `length` bytes from `from` on. To go back opens the content anew; a part ends the one before it. */
  part(from: number, length: number): AsyncGenerator<Uint8Array, void, undefined>
  close(): void
}

interface Opened {
  readonly source: Readable
  readonly chunks: AsyncIterator<Uint8Array>
  /** What was read and not yet passed on. */
  rest: Uint8Array
  /** Where `rest` starts. */
  at: number
}

const NOTHING = new Uint8Array(0)

/**
 * Reads a blob for an upload. Its last bytes are given out only after the whole was found to have the right digest.
 * @throws OssbError ERR_OSSB_INTEGRITY from `part`, in place of the last bytes of other content
 */
export function createBlobReader(blob: Descriptor, open: () => Promise<Readable>): BlobReader {
  let current: Opened | undefined

  const close = () => {
    current?.source.destroy()
    current = undefined
  }

  const openAt = async (from: number): Promise<Opened> => {
    close()
    const source = await open()
    const chunks = (checkedChunks(source, blob) ?? checked(source, blob))[Symbol.asyncIterator]()
    const opened: Opened = { source, chunks, rest: NOTHING, at: 0 }
    current = opened
    while (opened.at < from) await take(opened, from - opened.at)
    return opened
  }

  return {
    async *part(from, length) {
      const opened = current?.at === from ? current : await openAt(from)
      for (let left = length; left > 0; ) {
        const bytes = await take(opened, left)
        left -= bytes.length
        yield bytes
      }
    },
    close,
  }
}

/** Up to `length` bytes, at least one. */
async function take(opened: Opened, length: number): Promise<Uint8Array> {
  if (opened.rest.length === 0) {
    const next = await opened.chunks.next()
    if (next.done) throw new OssbError('ERR_OSSB_INTERNAL', 'Cannot read a blob beyond its end')
    opened.rest = next.value
  }
  const bytes = opened.rest.subarray(0, length)
  opened.rest = opened.rest.subarray(bytes.length)
  opened.at += bytes.length
  return bytes
}

/**
 * Holds the last chunk back until the digest is known to be right, so that a registry never gets the whole of a body
 * that is not what it should be.
 */
async function* checked(
  chunks: AsyncIterable<Uint8Array>,
  blob: Descriptor,
): AsyncGenerator<Uint8Array, void, undefined> {
  const digester = createDigester(algorithmOf(blob.digest))
  let size = 0
  let held: Uint8Array | undefined
  for await (const chunk of chunks) {
    if (chunk.length === 0) continue
    digester.update(chunk)
    size += chunk.length
    if (held !== undefined) yield held
    held = chunk
    if (size > blob.size) break
  }
  const digest = digester.digest()
  if (size !== blob.size || digest !== blob.digest)
    throw new OssbError(
      'ERR_OSSB_INTEGRITY',
      `Cannot push blob ${blob.digest}: the content to send is ${digest} with ${size} bytes, not ${blob.size}`,
      {
        hint: 'The content changed or was damaged where it is stored. Nothing of it was kept by the registry.',
      },
    )
  if (held !== undefined) yield held
}
