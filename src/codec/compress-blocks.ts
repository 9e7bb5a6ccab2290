import type { BlockTask, CompressedBlock } from './block.ts'

/** Runs tasks, any number at once; a task whose signal is aborted may be dropped if it has not begun. */
export type RunTask = (task: BlockTask, signal: AbortSignal) => Promise<CompressedBlock>

export interface BlockPlan {
  readonly blockSize: number
  /** How much of what came before each block is handed over with it. */
  readonly dictionarySize: number
  /** How many blocks may be in work or waiting to be taken: with the buffers, what bounds the memory. */
  readonly inFlight: number
  readonly task: (input: Uint8Array, dictionaryLength: number, final: boolean) => BlockTask
  readonly run: RunTask
}

export type NumberedBlock = CompressedBlock & { readonly inputLength: number }

/**
 * Cuts a stream into blocks, has them compressed side by side and gives the results in order. The last block is
 * the rest, possibly empty. Where the cuts are depends on the bytes alone, not on the chunks they come in.
 */
export async function* compressBlocks(
  chunks: AsyncIterable<Uint8Array>,
  plan: BlockPlan,
): AsyncGenerator<NumberedBlock, void, undefined> {
  const queue: Promise<NumberedBlock>[] = []
  const abandoned = new AbortController()
  const blocks = new BlockBuffers(plan)
  const submit = (final: boolean) => {
    queue.push(held(blocks.submit(final, abandoned.signal)))
  }
  try {
    for await (const chunk of chunks) {
      for (let at = 0; at < chunk.length; ) {
        at += blocks.fill(chunk, at)
        if (!blocks.isFull()) continue
        submit(false)
        const first = queue.length < plan.inFlight ? undefined : queue.shift()
        if (first !== undefined) yield await first
      }
    }
    submit(true)
    for (let first = queue.shift(); first !== undefined; first = queue.shift()) yield await first
  } finally {
    abandoned.abort()
  }
}

/** A promise that may be awaited late or, when the stream is abandoned, never. */
function held<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined)
  return promise
}

/** The block that is being filled, and the buffers of those in work, which are used again. */
class BlockBuffers {
  readonly #plan: BlockPlan
  readonly #free: Uint8Array[] = []
  #current: Uint8Array
  #dictionaryLength = 0
  #length = 0

  constructor(plan: BlockPlan) {
    this.#plan = plan
    this.#current = this.#take()
  }

  /** Copies from `chunk` what fits; returns how much that was. */
  fill(chunk: Uint8Array, from: number): number {
    const part = chunk.subarray(from, from + this.#plan.blockSize - this.#length)
    this.#current.set(part, this.#dictionaryLength + this.#length)
    this.#length += part.length
    return part.length
  }

  isFull(): boolean {
    return this.#length === this.#plan.blockSize
  }

  async submit(final: boolean, signal: AbortSignal): Promise<NumberedBlock> {
    const { dictionarySize, run, task } = this.#plan
    const buffer = this.#current
    const inputLength = this.#length
    const input = buffer.subarray(0, this.#dictionaryLength + inputLength)
    const block = task(input, this.#dictionaryLength, final)
    if (!final) this.#next(input.subarray(Math.max(0, input.length - dictionarySize)))
    try {
      return { ...(await run(block, signal)), inputLength }
    } finally {
      this.#free.push(buffer)
    }
  }

  #next(dictionary: Uint8Array): void {
    this.#current = this.#take()
    this.#current.set(dictionary)
    this.#dictionaryLength = dictionary.length
    this.#length = 0
  }

  // Shared memory, so that a worker reads the block where it is.
  #take(): Uint8Array {
    const size = this.#plan.dictionarySize + this.#plan.blockSize
    return this.#free.pop() ?? new Uint8Array(new SharedArrayBuffer(size))
  }
}
