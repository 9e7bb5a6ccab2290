/** Lets a bounded number of tasks run at once; those that wait are let in in the order they asked. */
export interface Semaphore {
  /** Runs the task when there is room. A waiter leaves with `signal.reason` when the signal is aborted. */
  run<T>(task: () => Promise<T>, signal: AbortSignal): Promise<T>
}

/** @param limit how many tasks may run at once, at least 1 */
export function createSemaphore(limit: number): Semaphore {
  let free = limit
  const waiting: (() => void)[] = []

  const enter = (signal: AbortSignal): Promise<void> => {
    signal.throwIfAborted()
    if (free > 0) {
      free -= 1
      return Promise.resolve()
    }
    // A signal of its own: Node warns about listeners that many waiters put on one.
    const own = AbortSignal.any([signal])
    return new Promise((resolve, reject) => {
      const letIn = () => {
        own.removeEventListener('abort', leave)
        resolve()
      }
      const leave = () => {
        waiting.splice(waiting.indexOf(letIn), 1)
        reject(signal.reason)
      }
      waiting.push(letIn)
      own.addEventListener('abort', leave, { once: true })
    })
  }

  // A place is handed to the next waiter directly, so that nobody who asks in between can overtake.
  const exit = () => {
    const next = waiting.shift()
    if (next === undefined) free += 1
    else next()
  }

  return {
    async run(task, signal) {
      await enter(signal)
      try {
        return await task()
      } finally {
        exit()
      }
    },
  }
}
