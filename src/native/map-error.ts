import { OssbError } from '../core/index.ts'
import { describeFailure, type ErrorEvent } from './helper-event.ts'

const HINTS: readonly (readonly [RegExp, string])[] = [
  [
    /^newuidmap|^newgidmap/,
    'Install the package "uidmap" (newuidmap and newgidmap, set-uid root), and give the user a range of ids in /etc/subuid and /etc/subgid, for example "name:100000:65536".',
  ],
  [
    /^unshare user namespace/,
    'User namespaces are switched off here: see /proc/sys/user/max_user_namespaces, kernel.unprivileged_userns_clone, and the seccomp profile of the container.',
  ],
  [
    /^unshare mount namespace|^make mounts private/,
    'The system lets the namespace be made but nothing be mounted in it: see kernel.apparmor_restrict_unprivileged_userns, or the seccomp and AppArmor profile of the container.',
  ],
]

/** Why a process could not be put into its namespaces, and what helps. */
export function mapError(program: string, failure: ErrorEvent): OssbError {
  const called = failure.step === 'exec' ? 'exec' : `${failure.step} ${failure.arg}`
  const hint = HINTS.find(([pattern]) => pattern.test(called))?.[1]
  return new OssbError(
    'ERR_OSSB_EXECUTOR',
    `Cannot start "${program}" in namespaces of its own: ${describeFailure(failure)}`,
    { cause: failure, ...(hint === undefined ? {} : { hint }) },
  )
}
