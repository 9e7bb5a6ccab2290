import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { createBlockCompressor } from './block.ts'
import type { WorkerRequest, WorkerResponse, WorkerStart } from './worker-protocol.ts'
import { openZstdDecoder, type ZstdDecoder } from './zstd-codec-library.ts'

const { module } = workerData as WorkerStart
const compress = createBlockCompressor(module)
let decoder: ZstdDecoder | undefined

async function answer(request: WorkerRequest): Promise<WorkerResponse> {
  const { id } = request
  switch (request.type) {
    case 'compress':
      return { id, type: 'compressed', block: await compress(request.task) }
    case 'zstd-open':
      decoder = await openZstdDecoder()
      return { id, type: 'done' }
    case 'zstd-decode':
      if (decoder === undefined) throw new Error('zstd-decode before zstd-open')
      return { id, type: 'decoded', bytes: await decoder.decode(request.piece) }
    case 'zstd-close':
      await decoder?.close()
      decoder = undefined
      return { id, type: 'done' }
    default:
      return request satisfies never
  }
}

function transferable(response: WorkerResponse): ArrayBuffer[] {
  if (response.type === 'compressed') return [response.block.bytes.buffer]
  return response.type === 'decoded' ? [response.bytes.buffer] : []
}

async function serve(port: MessagePort, request: WorkerRequest): Promise<void> {
  const response = await answer(request).catch((error: unknown): WorkerResponse => {
    return { id: request.id, type: 'failed', message: error instanceof Error ? error.message : String(error) }
  })
  port.postMessage(response, transferable(response))
}

parentPort?.on('message', (request: WorkerRequest) => {
  if (parentPort !== null) void serve(parentPort, request)
})
