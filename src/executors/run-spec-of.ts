import type { ProcessUser } from '../fs/index.ts'
import type { RunLimit, RunSpec } from '../native/index.ts'
import type { ProcessSpec } from './executor.ts'
import { environmentOf } from './process-environment.ts'
import { limitsOf, type ProcessLimit, resourceNumber } from './process-limits.ts'

/** A process as the native helper runs it. */
export function runSpecOf(process: ProcessSpec, user: ProcessUser, rootfs: string): RunSpec {
  return {
    root: rootfs,
    args: process.args,
    env: environmentOf(process, user),
    cwd: process.cwd,
    uid: user.uid,
    gid: user.gid,
    groups: user.groups,
    hostname: process.hostname,
    ...(process.userNamespace === undefined ? {} : { userNamespace: process.userNamespace }),
    network: process.network === 'none' ? 'none' : 'host',
    security: process.security,
    shmSize: process.shmSize,
    limits: limitsOf(process.limits).map(runLimit),
    mounts: process.mounts,
  }
}

function runLimit({ name, soft, hard }: ProcessLimit): RunLimit {
  return {
    name,
    resource: resourceNumber(name),
    ...(soft === -1 ? {} : { soft }),
    ...(hard === -1 ? {} : { hard }),
  }
}
