import type { Readable } from 'node:stream'
import { OssbError } from '../core/index.ts'
import { errnoName } from './system-error.ts'

/** A line that the helper wrote on its event descriptor. */
export type HelperEvent =
  | ErrorEvent
  | ExecFailEvent
  | { readonly ev: 'exit'; readonly code: number; readonly signal: number }
  | { readonly ev: 'stub'; readonly path: string }

interface Failure {
  readonly step: string
  readonly arg: string
  readonly errno: number
  readonly msg: string
}

/** The helper could not do its work. */
export interface ErrorEvent extends Failure {
  readonly ev: 'error'
}

/** The command could not be started. */
export interface ExecFailEvent extends Failure {
  readonly ev: 'execfail'
}

/** All events of a stream, read to its end. */
export async function readEvents(stream: Readable): Promise<readonly HelperEvent[]> {
  let text = ''
  for await (const chunk of stream.setEncoding('utf8') as AsyncIterable<string>) text += chunk
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as HelperEvent)
}

/** The first event of a kind. */
export function eventOf<K extends HelperEvent['ev']>(
  events: readonly HelperEvent[],
  kind: K,
): Extract<HelperEvent, { readonly ev: K }> | undefined {
  return events.find((event): event is Extract<HelperEvent, { readonly ev: K }> => event.ev === kind)
}

/** The step, its argument and the reason, as the end of a message: `mount proc "/proc": Operation not permitted`. */
export function describeFailure(failure: Failure): string {
  return `${failure.step}${failure.arg === '' ? '' : ` "${failure.arg}"`}: ${failure.msg}`
}

/** By the step that failed. */
const HINTS: Readonly<Record<string, string>> = {
  'supervise system calls':
    'Without a range of subordinate ids, owners are recorded by a supervisor of system calls (seccomp user notification), which needs Linux 5.5 or newer and no other such supervisor above it. Or give the user a range in /etc/subuid and /etc/subgid.',
  'record the owner of new files':
    'Without a range of subordinate ids, owners are recorded as user attributes of the files: use a --cache-dir on a file system that has them (ext4, xfs, btrfs, a tmpfs of Linux 6.6 or newer).',
}

export function failureError(action: string, failure: ErrorEvent): OssbError {
  const isUnmapped = errnoName(failure.errno) === 'EINVAL' && /(user|group)s?( of user)?$/.test(failure.step)
  const unmapped =
    'Ids must be mapped into the user namespace of the build: give the user a larger range in /etc/subuid and /etc/subgid, or use a smaller id.'
  const hint = isUnmapped ? unmapped : HINTS[failure.step]
  return new OssbError(
    'ERR_OSSB_EXECUTOR',
    `Cannot ${action}: ${describeFailure(failure)}`,
    hint === undefined ? {} : { hint },
  )
}
