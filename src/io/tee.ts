/** Bytes on their way to one place, that another reads meanwhile. */
export interface Tee {
  /** Passes bytes on. Where their way had to begin again, what the other one has is not told twice. */
  through(chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array>
  /**
   * The bytes as they pass, which wait for this reader as long as it reads. Ends when `arrival` is fulfilled, and fails
   * as it does. To be called once.
   */
  follow(arrival: Promise<unknown>): AsyncGenerator<Uint8Array, void, undefined>
}

/** Bytes by which the reader may lag behind. */
const LAG_BYTES = 4 * 1024 * 1024

/** @param signal stops the reader, so that what it did not take holds nothing up */
export function createTee(signal: AbortSignal): Tee {
  let queue: Uint8Array[] = []
  let queued = 0
  let passed = 0
  let isRead = true
  let isOver = false
  const isTooFar = () => isRead && queued >= LAG_BYTES
  const isAwaited = () => queue.length > 0 || !isOver
  const wakers: (() => void)[] = []
  const change = () => new Promise<void>((resolve) => wakers.push(resolve))
  const changed = () => {
    for (const wake of wakers.splice(0)) wake()
  }

  const stop = () => {
    isRead = false
    queue = []
    changed()
  }
  signal.addEventListener('abort', stop, { once: true })

  async function* through(chunks: AsyncIterable<Uint8Array>) {
    let at = 0
    for await (const chunk of chunks) {
      const known = Math.max(0, passed - at)
      at += chunk.length
      if (isRead && known < chunk.length) {
        queue.push(chunk.subarray(known))
        queued += chunk.length - known
        passed = at
        changed()
      }
      while (isTooFar()) await change()
      yield chunk
    }
  }

  async function* follow(arrival: Promise<unknown>): AsyncGenerator<Uint8Array, void, undefined> {
    const end = () => {
      isOver = true
      changed()
    }
    arrival.then(end, end)
    try {
      while (isAwaited()) {
        if (queue.length === 0) await change()
        const chunks = queue
        queue = []
        queued = 0
        changed()
        yield* chunks
      }
      await arrival
    } finally {
      signal.removeEventListener('abort', stop)
      stop()
    }
  }

  return { through, follow }
}
