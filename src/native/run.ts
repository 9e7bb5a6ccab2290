import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { type Job, OssbError } from '../core/index.ts'
import { signalName } from './exit-status.ts'
import { helperEnvironment, type NativeHelper } from './helper.ts'
import {
  describeFailure,
  type ErrorEvent,
  eventOf,
  failureError,
  type HelperEvent,
  readEvents,
} from './helper-event.ts'
import { encodeRunSpec, type RunLimit, type RunSpec } from './run-spec.ts'

export interface RunResult {
  /** The status; 128 + the number of a signal; 126 or 127 when the program could not be started. */
  readonly exitCode: number
  /** Name of the signal that ended the process. */
  readonly signal?: string
  /**
   * Mount points that the root did not have, as paths inside it. They are gone again, but what was changed for them
   * is newer by `ctime`, and on an overlay the directories above them were copied up.
   */
  readonly stubs: readonly string[]
}

const KILL_AFTER = 2000

/**
 * Runs a process in a root of its own until it ends, and ends all that it started. Nothing that was mounted or made for
 * it stays in the root. The output comes as it is written.
 * @throws OssbError ERR_OSSB_EXECUTOR naming the step that failed, or job.signal.reason
 */
export async function runInRoot(
  helper: NativeHelper,
  spec: RunSpec,
  output: (stream: 'stdout' | 'stderr', chunk: Uint8Array) => void,
  job: Job,
): Promise<RunResult> {
  job.signal.throwIfAborted()
  const words = encodeRunSpec(spec)
  const command = spec.traced === undefined ? ['run', '3', '4'] : ['trace', '3', '4', spec.traced.scratch]
  const child = spawn(helper.path, command, {
    env: helperEnvironment(helper),
    cwd: '/',
    stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
  })
  const release = endOnAbort(child, job)
  try {
    child.stdout?.on('data', (chunk: Buffer) => output('stdout', chunk))
    child.stderr?.on('data', (chunk: Buffer) => output('stderr', chunk))
    const input = child.stdio[3] as Writable
    input.on('error', () => {})
    input.end(words)
    const [events] = await Promise.all([readEvents(child.stdio[4] as Readable), once(child, 'close')])
    job.signal.throwIfAborted()
    return resultOf(events, spec, output)
  } catch (error) {
    if (job.signal.aborted) throw job.signal.reason
    if (error instanceof OssbError) throw error
    throw new OssbError('ERR_OSSB_EXECUTOR', `Cannot start the native helper "${helper.path}"`, {
      cause: error,
    })
  } finally {
    release()
  }
}

/**
 * SIGTERM goes on to the process and its group. Who is still there later is killed with all that it started: by the
 * helper, which waits for the end of it; killing the helper does the same, but nobody waits.
 */
function endOnAbort(child: ChildProcess, job: Job): () => void {
  const timers: NodeJS.Timeout[] = []
  const abort = () => {
    child.kill('SIGTERM')
    timers.push(setTimeout(() => child.kill('SIGUSR1'), KILL_AFTER))
    timers.push(setTimeout(() => child.kill('SIGKILL'), 2 * KILL_AFTER))
  }
  job.signal.addEventListener('abort', abort, { once: true })
  return () => {
    job.signal.removeEventListener('abort', abort)
    timers.forEach(clearTimeout)
  }
}

/** A limit that this process may not give: only who is privileged on the machine raises one above its own. */
function limitError(failure: ErrorEvent, limits: readonly RunLimit[]): OssbError | undefined {
  const limit = limits.find(({ resource }) => String(resource) === failure.arg)
  if (limit === undefined || failure.step !== 'set resource limit') return undefined
  const { name, hard } = limit
  return new OssbError(
    'ERR_OSSB_EXECUTOR',
    `Cannot set the limit "${name}" of a RUN to ${hard ?? 'unlimited'}: ${failure.msg}`,
    {
      hint: `A build may not raise a limit above the hard limit that it runs under itself. Give --ulimit ${name} a smaller value, or raise the hard limit of the user that builds (/etc/security/limits.conf, or the service manager).`,
    },
  )
}

function resultOf(
  events: readonly HelperEvent[],
  { limits }: RunSpec,
  output: (stream: 'stdout' | 'stderr', chunk: Uint8Array) => void,
): RunResult {
  const failure = eventOf(events, 'error')
  if (failure !== undefined) throw limitError(failure, limits) ?? failureError('set up the process', failure)
  const end = eventOf(events, 'exit')
  if (end === undefined)
    throw new OssbError('ERR_OSSB_EXECUTOR', 'Cannot run the process: the native helper was killed')
  const unstarted = eventOf(events, 'execfail')
  if (unstarted !== undefined) output('stderr', Buffer.from(`${describeFailure(unstarted)}\n`))
  return {
    exitCode: end.code,
    ...(end.signal === 0 ? {} : { signal: signalName(end.signal) }),
    stubs: events.flatMap((event) => (event.ev === 'stub' ? [event.path] : [])),
  }
}
