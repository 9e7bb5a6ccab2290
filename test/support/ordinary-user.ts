import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { userInfo } from 'node:os'

/** A user without privileges who owns a range of subordinate ids. */
export interface OrdinaryUser {
  readonly name: string
  readonly uid: number
  readonly gid: number
  readonly home: string
}

const NAME = 'ossb-test'
const RANGE = '1700000000-1700065535'

/** Who runs the tests or, when that is root, a user made for them. Asking again gives the same one. */
export function ordinaryUser(): OrdinaryUser {
  const { uid, gid, username, homedir } = userInfo()
  if (uid !== 0) return { name: username, uid, gid, home: homedir }
  // Two test processes may make the user at the same time: who comes second finds it there.
  if (spawnSync('id', [NAME]).status !== 0)
    spawnSync('useradd', ['--create-home', '--shell', '/bin/sh', NAME], { stdio: 'ignore' })
  if (!hasRange('/etc/subuid')) execFileSync('usermod', ['--add-subuids', RANGE, NAME])
  if (!hasRange('/etc/subgid')) execFileSync('usermod', ['--add-subgids', RANGE, NAME])
  return known()
}

function hasRange(file: string): boolean {
  return readFileSync(file, { encoding: 'utf8', flag: 'a+' })
    .split('\n')
    .some((line) => line.startsWith(`${NAME}:`))
}

function known(): OrdinaryUser {
  const [name = '', , uid, gid, , home = '/'] = execFileSync('getent', ['passwd', NAME], {
    encoding: 'utf8',
  }).split(':')
  return { name, uid: Number(uid), gid: Number(gid), home }
}
