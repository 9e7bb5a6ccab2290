import { join } from 'node:path'
import type { Job } from '../core/index.ts'
import { type ProcessOutcome, runProcess } from '../io/index.ts'
import type { FileSession } from '../native/index.ts'
import { withoutAbort } from './without-abort.ts'

export interface PipedProcessOptions {
  readonly env: Readonly<Record<string, string>>
  /** Where its pipes are made. */
  readonly directory: string
  readonly session: FileSession
}

/** Opens the pipes, which waits for their readers, and becomes the program. */
const ONTO_PIPES = 'out=$1 err=$2; shift 2; exec "$@" >"$out" 2>"$err"'

/**
 * Runs a program with its output going through real pipes, as `log` events. Node itself gives sockets, and those can't
 * be opened as /dev/stdout or /dev/stderr.
 */
export async function runPiped(
  command: readonly [string, ...string[]],
  { env, directory, session }: PipedProcessOptions,
  job: Job,
): Promise<ProcessOutcome> {
  const pipes = { stdout: join(directory, 'stdout'), stderr: join(directory, 'stderr') }
  await session.batch(
    Object.values(pipes).map((path) => ({
      type: 'mknod',
      path,
      fileType: 'fifo',
      mode: 0o600,
      major: 0,
      minor: 0,
    })),
    job,
  )
  const reading = new AbortController()
  const readers = (['stdout', 'stderr'] as const).map((stream) =>
    runProcess(
      ['cat', pipes[stream]],
      { env, output: (_, chunk) => job.emit({ type: 'log', stream, chunk }) },
      { ...withoutAbort(job), signal: reading.signal },
    ),
  )
  try {
    const outcome = await runProcess(
      ['sh', '-c', ONTO_PIPES, 'sh', pipes.stdout, pipes.stderr, ...command],
      { env },
      job,
    )
    await Promise.all(readers)
    return outcome
  } finally {
    reading.abort()
    await Promise.allSettled(readers)
  }
}
