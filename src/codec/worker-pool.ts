import { OssbError } from '../core/index.ts'
import type { BlockTask, CompressedBlock } from './block.ts'
import { CodecWorker, failureOf } from './codec-worker.ts'
import type { CompiledModule } from './wasm-module.ts'
import type { WorkerResponse } from './worker-protocol.ts'

interface Job {
  readonly task: BlockTask
  readonly signal: AbortSignal
  isSecondTry: boolean
  resolve(block: CompressedBlock): void
  reject(error: unknown): void
}

/** The second task waits in the worker while the first one runs, so that no worker idles for a message's way. */
const TASKS_PER_WORKER = 2

/**
 * A fixed number of worker threads, started when the work first needs them, that compress blocks. Which worker
 * gets which block has no influence on the bytes.
 */
export class WorkerPool implements AsyncDisposable {
  readonly #size: number
  readonly #module: CompiledModule
  readonly #queue: Job[] = []
  #workers: CodecWorker[] = []
  #closed = false

  constructor(size: number, module: CompiledModule) {
    this.#size = size
    this.#module = module
  }

  /** Tasks whose signal is aborted before a worker is free are dropped. */
  run(task: BlockTask, signal: AbortSignal): Promise<CompressedBlock> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ task, signal, isSecondTry: false, resolve, reject })
      this.#dispatch()
    })
  }

  /** A worker of the caller's own, for work with a state. */
  openWorker(): CodecWorker {
    if (this.#closed) throw closedError()
    return new CodecWorker(this.#module)
  }

  #dispatch(): void {
    while (this.#queue.length > 0) {
      const worker = this.#closed ? undefined : this.#freeWorker()
      if (worker === undefined && !this.#closed) return
      const job = this.#queue.shift()
      if (job === undefined) return
      if (worker === undefined) job.reject(closedError())
      else if (job.signal.aborted) job.reject(job.signal.reason)
      else void this.#give(worker, job)
    }
  }

  #freeWorker(): CodecWorker | undefined {
    this.#workers = this.#workers.filter((worker) => !worker.failed)
    const [idlest] = this.#workers.toSorted((a, b) => a.load - b.load)
    if (this.#workers.length < this.#size && (idlest === undefined || idlest.load > 0)) {
      const started = new CodecWorker(this.#module)
      this.#workers.push(started)
      return started
    }
    return idlest !== undefined && idlest.load < TASKS_PER_WORKER ? idlest : undefined
  }

  async #give(worker: CodecWorker, job: Job): Promise<void> {
    const response = await worker
      .ask({ type: 'compress', task: job.task })
      .catch((error: unknown) => this.#tryAgain(job, error))
    if (response?.type === 'compressed') {
      job.resolve(response.block)
    } else if (response !== undefined) {
      job.reject(failureOf(response))
      // What the library left behind in this thread cannot be trusted.
      await worker[Symbol.asyncDispose]()
    }
    this.#dispatch()
  }

  /** A worker that ends takes tasks with it that had no part in it; their input is still there. */
  #tryAgain(job: Job, error: unknown): WorkerResponse | undefined {
    if (job.isSecondTry || this.#closed) {
      job.reject(error)
    } else {
      job.isSecondTry = true
      this.#queue.unshift(job)
    }
    return undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    this.#dispatch()
    await Promise.all(this.#workers.map((worker) => worker[Symbol.asyncDispose]()))
  }
}

function closedError(): OssbError {
  return new OssbError('ERR_OSSB_CODEC', 'Cannot compress: the codec is closed')
}
