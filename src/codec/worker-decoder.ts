import { type CodecWorker, failureOf } from './codec-worker.ts'
import type { ZstdDecoder } from './zstd-codec-library.ts'

/** A decoder in a thread of its own, which ends with it: so an abort of the library hurts nobody else. */
export async function openWorkerDecoder(worker: CodecWorker): Promise<ZstdDecoder> {
  try {
    const response = await worker.ask({ type: 'zstd-open' })
    if (response.type !== 'done') throw failureOf(response)
  } catch (error) {
    await worker[Symbol.asyncDispose]()
    throw error
  }
  return {
    decode: async (piece) => {
      const response = await worker.ask({ type: 'zstd-decode', piece })
      if (response.type !== 'decoded') throw failureOf(response)
      return response.bytes
    },
    close: async () => worker[Symbol.asyncDispose](),
  }
}
