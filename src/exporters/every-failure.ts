import { type Failure, type Job, joinErrors } from '../core/index.ts'
import { createSemaphore } from '../io/index.ts'

/** How many transfers of one export run at a time. */
const CONCURRENCY = 4

/**
 * Runs all tasks, a few at a time, to their end, whatever becomes of the others.
 * @throws the error of the one task that failed; for several, one OssbError with the code and the hint of the first,
 *   all messages, and an AggregateError as its cause; job.signal.reason when the job was stopped
 */
export async function settleAll(
  action: string,
  tasks: readonly (() => Promise<void>)[],
  job: Job,
): Promise<void> {
  const semaphore = createSemaphore(CONCURRENCY)
  const outcomes = await Promise.allSettled(tasks.map((task) => semaphore.run(task, job.signal)))
  job.signal.throwIfAborted()
  const [first, ...others] = outcomes.flatMap((outcome): readonly Failure[] =>
    outcome.status === 'rejected' ? [{ error: outcome.reason }] : [],
  )
  if (first !== undefined) throw joinErrors(action, [first, ...others])
}
