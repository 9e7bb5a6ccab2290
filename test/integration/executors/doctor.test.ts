import { spawnSync } from 'node:child_process'
import { userInfo } from 'node:os'
import { afterAll, describe, expect, test } from 'vitest'
import type { DoctorReport } from '../../../src/index.ts'
import { mustRun } from '../../support/command.ts'
import { type Identity, identities } from '../../support/identity.ts'
import { createWorkspace } from '../../support/workspace.ts'

const NOBODY = 'ossb-no-range'
const everybody = await identities()

/** A user to whom /etc/subuid and /etc/subgid give nothing: only root can make one. */
async function userWithoutRange(like: Identity): Promise<Identity> {
  // System users get no subordinate ids.
  spawnSync('useradd', ['--system', '--no-create-home', NOBODY])
  const [, , uid, gid] = (await mustRun('getent', ['passwd', NOBODY])).split(':')
  return { ...like, userName: NOBODY, uid: Number(uid), gid: Number(gid) }
}

afterAll(() => {
  if (userInfo().uid === 0) spawnSync('userdel', [NOBODY])
})

async function doctor(identity: Identity, args: readonly string[] = []) {
  await using workspace = await createWorkspace(identity)
  return await workspace.ossb(['doctor', ...args])
}

describe.each(everybody)('ossb doctor as $name', (identity) => {
  const chosen = identity.name === 'root' ? 'local' : 'rootless'

  test('chooses the executor for who runs it, and ends with 0', async () => {
    const { status, stdout } = await doctor(identity, ['--format', 'json'])
    const report = JSON.parse(stdout) as DoctorReport
    expect(status).toBe(0)
    expect(report.chosen).toBe(chosen)
    expect(report.executors.map(({ name, usable }) => `${name} ${usable}`).sort()).toEqual([
      'container true',
      `local ${chosen === 'local'}`,
      `rootless ${chosen === 'rootless'}`,
    ])
    expect(report.facts.filter(({ ok }) => !ok).every(({ remedy }) => remedy !== undefined)).toBe(true)
  })

  test('says the same as text', async () => {
    const { status, stdout } = await doctor(identity)
    expect(status).toBe(0)
    expect(stdout).toMatch(new RegExp(`^Builds use "${chosen}": `, 'm'))
    expect(stdout).toMatch(/^ {2}yes {2}OCI runtime +\/.*crun$/m)
  })
})

// Root is needed to make a user and to become one.
const ordinary = userInfo().uid === 0 ? everybody.filter(({ name }) => name === 'ordinary user') : []

describe.each(ordinary)('ossb doctor where something is refused to $userName', (user) => {
  test('names the files without a range and the command that adds one, and ends with 1', async () => {
    const { status, stdout } = await doctor(await userWithoutRange(user), ['--format', 'json'])
    const report = JSON.parse(stdout) as DoctorReport
    expect(status).toBe(1)
    expect(report.chosen).toBeUndefined()
    expect(report.executors.find(({ name }) => name === 'rootless')).toEqual({
      name: 'rootless',
      usable: false,
      reason: `id range: /etc/subuid has no range for "${NOBODY}", /etc/subgid has no range for "${NOBODY}"`,
      remedy: `As root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${NOBODY}`,
    })
  })

  test('tells that newuidmap can do nothing under no_new_privs', async () => {
    await using workspace = await createWorkspace(user)
    const result = spawnSync(
      'setpriv',
      [
        '--no-new-privs',
        `--reuid=${user.uid}`,
        `--regid=${user.gid}`,
        '--clear-groups',
        user.node,
        user.program,
        'doctor',
      ],
      { env: workspace.environment(), cwd: workspace.path, encoding: 'utf8' },
    )
    expect(result.status).toBe(1)
    expect(result.stdout).toMatch(/rootless +cannot be used: id range: newuidmap .*no_new_privs is set/)
  })
})
