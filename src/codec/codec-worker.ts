import { Worker } from 'node:worker_threads'
import { OssbError } from '../core/index.ts'
import type { CompiledModule } from './wasm-module.ts'
import type { WorkerRequest, WorkerResponse, WorkerStart } from './worker-protocol.ts'

type Unnumbered<T> = T extends unknown ? Omit<T, 'id'> : never
type Question = Unnumbered<WorkerRequest>

interface Waiting {
  resolve(response: WorkerResponse): void
  reject(error: Error): void
}

const WORKER_URL = new URL('./worker.js', import.meta.url)

/** A Worker cannot load TypeScript on Node 20: without the compiled file, everything runs in the calling thread. */
export const canStartWorkers: boolean = import.meta.url.endsWith('.js')

/**
 * One worker thread and the questions it has yet to answer. It keeps the process alive only while there are any.
 * Once it failed it is of no further use: zstd-codec's heap does not recover from an abort.
 */
export class CodecWorker implements AsyncDisposable {
  readonly #worker: Worker
  readonly #waiting = new Map<number, Waiting>()
  #failure: OssbError | undefined
  #lastId = 0

  constructor(module: CompiledModule) {
    const start: WorkerStart = { module }
    // The library prints "OOM" before it aborts; the error says it better.
    this.#worker = new Worker(WORKER_URL, { workerData: start, execArgv: [], stdout: true, stderr: true })
    this.#worker.unref()
    this.#worker.on('message', (response: WorkerResponse) => this.#settle(response))
    this.#worker.on('error', (error) => this.#fail(error))
    this.#worker.on('exit', (code) => this.#fail(new Error(`it ended with exit code ${code}`)))
  }

  get load(): number {
    return this.#waiting.size
  }

  get failed(): boolean {
    return this.#failure !== undefined
  }

  /** The answer, which may be `failed`. @throws OssbError ERR_OSSB_CODEC when the worker ends before it answers */
  async ask(question: Question): Promise<WorkerResponse> {
    if (this.#failure !== undefined) throw this.#failure
    const id = ++this.#lastId
    if (this.#waiting.size === 0) this.#worker.ref()
    const response = new Promise<WorkerResponse>((resolve, reject) =>
      this.#waiting.set(id, { resolve, reject }),
    )
    this.#worker.postMessage({ ...question, id }, [])
    return response
  }

  #settle(response: WorkerResponse): void {
    const waiting = this.#waiting.get(response.id)
    this.#waiting.delete(response.id)
    if (this.#waiting.size === 0) this.#worker.unref()
    if (response.type === 'failed') this.#failure ??= failureOf(response)
    waiting?.resolve(response)
  }

  #fail(error: Error): void {
    this.#failure ??= new OssbError(
      'ERR_OSSB_CODEC',
      `Cannot run the codec: a worker thread failed: ${error.message}`,
      {
        cause: error,
      },
    )
    for (const waiting of this.#waiting.values()) waiting.reject(this.#failure)
    this.#waiting.clear()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate()
  }
}

/** What went wrong in a worker, by the answer that was not the expected one. */
export function failureOf(response: WorkerResponse): OssbError {
  const reason = response.type === 'failed' ? response.message : `unexpected answer "${response.type}"`
  return new OssbError(
    'ERR_OSSB_CODEC',
    reason.startsWith('Cannot ') ? reason : `Cannot run the codec: ${reason}`,
  )
}
