import { once } from 'node:events'
import { createGunzip, type Gunzip } from 'node:zlib'
import { OssbError } from '../core/index.ts'

const OUTPUT_SIZE = 512 * 1024

/**
 * One or more gzip members, and zeros after them (tape padding). Anything else after a member, and an end within
 * one, is an error.
 */
export async function* gunzip(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const inflater = createGunzip({ chunkSize: OUTPUT_SIZE })
  const feeding = new GunzipFeed(inflater)
  const fed = feeding.run(chunks)
  fed.catch(() => undefined)
  try {
    for await (const bytes of inflater as AsyncIterable<Uint8Array>) yield bytes
    await fed
  } catch (error) {
    throw feeding.sourceError ?? gunzipError(error)
  } finally {
    inflater.destroy()
  }
}

function gunzipError(error: unknown): OssbError {
  if (error instanceof OssbError) return error
  const reason = error instanceof Error ? error.message : String(error)
  return new OssbError('ERR_OSSB_CODEC', `Cannot decompress the gzip data: ${reason}`, { cause: error })
}

/**
 * Writes a source to zlib's stream, which stops reading at the first byte after a member that is zero and says nothing
 * of the rest: so what it took is counted, and the rest looked at here.
 */
class GunzipFeed {
  readonly #inflater: Gunzip
  readonly #closed: Promise<unknown>
  #isPastEnd = false
  #written = 0
  sourceError: unknown

  constructor(inflater: Gunzip) {
    this.#inflater = inflater
    this.#closed = once(inflater, 'close').catch(() => undefined)
  }

  async run(chunks: AsyncIterable<Uint8Array>): Promise<void> {
    try {
      for await (const chunk of chunks) {
        await this.#take(chunk)
        if (this.#inflater.destroyed && !this.#isPastEnd) return
      }
    } catch (error) {
      this.sourceError = error
      this.#inflater.destroy(error instanceof Error ? error : new Error(String(error)))
      throw error
    }
    if (!this.#isPastEnd) this.#inflater.end()
  }

  async #take(chunk: Uint8Array): Promise<void> {
    let rest = chunk
    if (!this.#isPastEnd) {
      this.#written += chunk.length
      await this.#write(chunk)
      const left = this.#written - this.#inflater.bytesWritten
      if (left === 0 || this.#inflater.errored !== null) return
      this.#isPastEnd = true
      rest = chunk.subarray(chunk.length - left)
    }
    if (rest.some((byte) => byte !== 0)) {
      throw new OssbError('ERR_OSSB_CODEC', 'Cannot decompress the gzip data: other data follows its end')
    }
  }

  async #write(chunk: Uint8Array): Promise<void> {
    const taken = new Promise<void>((resolve) => {
      this.#inflater.write(chunk, () => resolve())
    })
    await Promise.race([taken, this.#closed])
  }
}
