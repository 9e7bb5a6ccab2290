import { type Job, OssbError } from '../core/index.ts'
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
  const failures = outcomes.flatMap((outcome) =>
    outcome.status === 'rejected' ? [outcome.reason as unknown] : [],
  )
  if (failures.length > 0) throw together(action, failures)
}

function together(action: string, errors: readonly unknown[]): unknown {
  const [first] = errors
  if (errors.length === 1) return first
  const messages = [
    ...new Set(errors.map((error) => (error instanceof Error ? error.message : String(error)))),
  ]
  if (messages.length === 1) return first
  return new OssbError(
    first instanceof OssbError ? first.code : 'ERR_OSSB_OUTPUT',
    `Cannot ${action}: ${messages.length} failures:\n${messages.map((message) => `- ${message}`).join('\n')}`,
    {
      cause: new AggregateError(errors),
      ...(first instanceof OssbError && first.hint !== undefined ? { hint: first.hint } : {}),
    },
  )
}
