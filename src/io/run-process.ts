import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { type Job, OssbError } from '../core/index.ts'

export interface ProcessOptions {
  readonly cwd?: string
  /** The whole environment of the process. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** Written to standard input, which is then closed; absent is /dev/null. */
  readonly input?: string
  /** Given the output as it comes; absent collects both streams into the result. */
  readonly output?: (stream: 'stdout' | 'stderr', chunk: Uint8Array) => void
  /** Milliseconds between SIGTERM and SIGKILL when the job is aborted. */
  readonly killAfter?: number
}

export interface ProcessOutcome {
  /** The status, or 128 + the number of the signal that ended the process. */
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

const COLLECTED_BYTES = 1024 * 1024

/**
 * Runs a program to its end. A non-zero status is a result, not an error.
 * @throws OssbError ERR_OSSB_NOT_FOUND when the program is not there, or job.signal.reason
 */
export async function runProcess(
  command: readonly [string, ...string[]],
  options: ProcessOptions,
  job: Job,
): Promise<ProcessOutcome> {
  job.signal.throwIfAborted()
  const [file, ...args] = command
  const child = spawn(file, args, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: options.env,
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  })
  const stop = killOnAbort(child, options.killAfter ?? 2000, job)
  try {
    child.stdin?.on('error', () => {})
    child.stdin?.end(options.input)
    const collected = { stdout: '', stderr: '' }
    const keep = (stream: 'stdout' | 'stderr', chunk: Uint8Array) => {
      if (options.output !== undefined) options.output(stream, chunk)
      else if (collected[stream].length < COLLECTED_BYTES) collected[stream] += Buffer.from(chunk).toString()
    }
    listen(child.stdout, (chunk) => keep('stdout', chunk))
    listen(child.stderr, (chunk) => keep('stderr', chunk))
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
    job.signal.throwIfAborted()
    return { exitCode: code ?? 128 + signalNumber(signal), ...collected }
  } catch (error) {
    if (job.signal.aborted) throw job.signal.reason
    throw new OssbError(
      'ERR_OSSB_NOT_FOUND',
      `Cannot run "${file}": ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    )
  } finally {
    stop()
  }
}

function listen(stream: Readable | null, take: (chunk: Uint8Array) => void): void {
  stream?.on('data', (chunk: Uint8Array) => take(chunk))
}

/** SIGTERM when the job is aborted, SIGKILL for who does not listen. Returns what ends the watch. */
function killOnAbort(child: ChildProcess, killAfter: number, job: Job): () => void {
  let timer: NodeJS.Timeout | undefined
  const abort = () => {
    child.kill('SIGTERM')
    timer = setTimeout(() => child.kill('SIGKILL'), killAfter)
  }
  job.signal.addEventListener('abort', abort, { once: true })
  return () => {
    job.signal.removeEventListener('abort', abort)
    clearTimeout(timer)
  }
}

const SIGNAL_NUMBERS: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGABRT: 6,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGPIPE: 13,
  SIGTERM: 15,
}

function signalNumber(signal: NodeJS.Signals | null): number {
  return signal === null ? 0 : (SIGNAL_NUMBERS[signal] ?? 0)
}
