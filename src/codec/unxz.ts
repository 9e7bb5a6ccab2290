import { ReadableStream } from 'node:stream/web'
import { OssbError } from '../core/index.ts'
import { UnsupportedDataError } from './unsupported-data.ts'

/** What xz's decoder means by its numbers, as far as a file can cause them. */
const REASONS: Readonly<Record<string, string>> = {
  '3': 'there is not enough memory for its dictionary',
  '4': 'its dictionary is too large',
  '5': 'it is not xz data',
  '6': 'it has a filter or a check that is not supported',
  '7': 'it is corrupt',
  '8': 'it ends too early',
}
const UNSUPPORTED: ReadonlySet<string> = new Set(['3', '4', '6'])

/** One or more xz streams, and padding after them. */
export async function* unxz(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  // CommonJS whose names Node does not find.
  const { XzReadableStream } = (await import('xz-decompress')).default
  const source = new Source(chunks)
  try {
    for await (const bytes of new XzReadableStream(source.stream)) if (bytes.length > 0) yield bytes
  } catch (error) {
    throw source.error ?? xzError(error)
  } finally {
    await source.close()
  }
}

function xzError(cause: unknown): OssbError {
  const text = cause instanceof Error ? cause.message : String(cause)
  const number = /error code (\d+)/.exec(text)?.[1] ?? ''
  const message = `Cannot decompress the xz data: ${REASONS[number] ?? text}`
  if (!UNSUPPORTED.has(number)) return new OssbError('ERR_OSSB_CODEC', message, { cause })
  return new UnsupportedDataError(message, {
    hint: 'LZMA2 with a check of CRC32, CRC64 or none is supported: compress it anew, for example with "xz -9".',
    cause,
  })
}

/** Chunks as a web stream, which hides the errors of what is behind it. */
class Source {
  readonly #chunks: AsyncIterator<Uint8Array>
  readonly stream: ReadableStream<Uint8Array>
  error: unknown
  #isDone = false

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]()
    this.stream = new ReadableStream(
      {
        pull: async (controller) => {
          try {
            const next = await this.#chunks.next()
            this.#isDone = next.done === true
            // The decoder takes no chunk for the end of the data only when it has had an empty one.
            if (next.done === true) controller.enqueue(new Uint8Array(0))
            else controller.enqueue(Uint8Array.from(next.value))
            if (next.done === true) controller.close()
          } catch (error) {
            this.error = error
            throw error
          }
        },
      },
      { highWaterMark: 0 },
    )
  }

  async close(): Promise<void> {
    if (this.#isDone) return
    this.#isDone = true
    await this.#chunks.return?.()
  }
}
