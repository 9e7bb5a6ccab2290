import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { OssbError } from '../core/index.ts'
import { exitStatus } from './exit-status.ts'
import type { NativeHelper } from './helper.ts'
import { eventOf, readEvents } from './helper-event.ts'
import type { IdRange } from './id-range.ts'
import { mapError } from './map-error.ts'

/**
 * `user`: root of a new user namespace, the ranges from id 1 on. `one-id`: the same without any ranges. `root`: a mount
 * namespace only. `none`: no namespace at all.
 */
export type MapKind =
  | { readonly kind: 'user'; readonly uidRanges: readonly IdRange[]; readonly gidRanges: readonly IdRange[] }
  | { readonly kind: 'one-id' | 'root' | 'none' }

export type SpawnMappedOptions = MapKind & {
  /** The whole environment of the command. */
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd?: string
  /** Standard input, output and error: this process's own, unless said otherwise. */
  readonly stdio?: 'inherit' | 'ignore'
}

export interface MappedProcess {
  readonly pid: number | undefined
  /**
   * The command's status, or 128 + the number of the signal that ended it.
   * Rejects with OssbError ERR_OSSB_EXECUTOR when the mapping failed or the command could not be started.
   */
  readonly exited: Promise<number>
  kill(signal: NodeJS.Signals): void
}

/**
 * Starts a command in a mount namespace of its own, where what it mounts ends with it; but for `root` also in a user
 * namespace in which it is root and owns the ids of the ranges. It dies when this process dies.
 */
export function spawnMapped(
  helper: NativeHelper,
  options: SpawnMappedOptions,
  command: readonly [string, ...string[]],
): MappedProcess {
  const stdio = options.stdio ?? 'inherit'
  const child = spawn(helper.path, ['map', '3', ...mapArguments(options), ...command], {
    env: options.env,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    stdio: [stdio, stdio, stdio, 'pipe'],
  })
  return {
    pid: child.pid,
    exited: outcome(child, command[0]),
    kill: (signal) => void child.kill(signal),
  }
}

function mapArguments(options: MapKind): readonly string[] {
  return options.kind === 'user'
    ? ['user', rangeList(options.uidRanges), rangeList(options.gidRanges)]
    : [options.kind]
}

function rangeList(ranges: readonly IdRange[]): string {
  return ranges.map((range) => `${range.first}:${range.count}`).join(',')
}

async function outcome(child: ChildProcess, program: string): Promise<number> {
  try {
    const events = readEvents(child.stdio[3] as Readable)
    const [[code, signal], reported] = await Promise.all([once(child, 'exit'), events])
    const failure = eventOf(reported, 'error')
    if (failure !== undefined) throw mapError(program, failure)
    return exitStatus(code as number | null, signal as NodeJS.Signals | null).exitCode
  } catch (error) {
    if (error instanceof OssbError) throw error
    throw new OssbError('ERR_OSSB_EXECUTOR', `Cannot start the native helper for "${program}"`, {
      cause: error,
    })
  }
}
