import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type Job, OssbError } from '../core/index.ts'
import type { NativeHelper } from '../native/index.ts'
import type { Executor, Probe, ProcessSpec } from './executor.ts'

export interface TrialOptions {
  readonly helper: NativeHelper
  /** Where the root of the trial is made, and removed again. */
  readonly directory: string
}

const PROGRAM = '/program'
const KEPT_OUTPUT = 1000

/** Runs a real process in a root of its own, by the way that is to be probed: with all that a RUN has. */
export async function tryToRun(run: Executor['run'], { helper, directory }: TrialOptions): Promise<Probe> {
  const trial = mkdtempSync(join(directory, 'trial-'))
  const rootfs = join(trial, 'root')
  mkdirSync(rootfs, { mode: 0o755 })
  let output = ''
  const job: Job = {
    signal: new AbortController().signal,
    emit: (event) => {
      if (event.type === 'log' && output.length < KEPT_OUTPUT) output += Buffer.from(event.chunk).toString()
    },
  }
  try {
    const { exitCode } = await run(trialProcess(helper), rootfs, job)
    if (exitCode === 0) return { usable: true }
    return { usable: false, reason: `a process ended with status ${exitCode}: ${output.trim()}` }
  } catch (error) {
    return {
      usable: false,
      reason: error instanceof Error ? error.message : String(error),
      ...(error instanceof OssbError && error.hint !== undefined ? { remedy: error.hint } : {}),
    }
  } finally {
    rmSync(trial, { recursive: true, force: true })
  }
}

/** The helper itself: a static program needs nothing else in its root. */
export function trialProcess({ path }: NativeHelper): ProcessSpec {
  return {
    args: [PROGRAM, 'probe', '/dev/shm'],
    env: [],
    cwd: '/',
    user: '',
    hostname: 'trial',
    network: 'default',
    security: 'sandbox',
    mounts: [{ type: 'bind', source: path, target: PROGRAM, readonly: true }],
    extraHosts: [],
    shmSize: 1024 * 1024,
    limits: [],
  }
}
