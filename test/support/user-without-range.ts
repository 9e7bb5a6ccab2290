import { spawnSync } from 'node:child_process'
import { userInfo } from 'node:os'
import { mustRun } from './command.ts'
import type { Identity } from './identity.ts'

export const NAME_WITHOUT_RANGE = 'ossb-no-range'

/** A user to whom /etc/subuid and /etc/subgid give nothing: only root can make one. */
export async function userWithoutRange(like: Identity): Promise<Identity> {
  // System users get no subordinate ids. Two test processes may make the user at the same time.
  spawnSync('useradd', ['--system', '--no-create-home', NAME_WITHOUT_RANGE])
  const [, , uid, gid] = (await mustRun('getent', ['passwd', NAME_WITHOUT_RANGE])).split(':')
  return { ...like, userName: NAME_WITHOUT_RANGE, uid: Number(uid), gid: Number(gid) }
}

/** Whether the tests may make users and become them. */
export const canMakeUsers = userInfo().uid === 0
