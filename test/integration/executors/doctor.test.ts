import { spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import type { DoctorReport } from '../../../src/index.ts'
import { type Identity, identities } from '../../support/identity.ts'
import { canMakeUsers, NAME_WITHOUT_RANGE, userWithoutRange } from '../../support/user-without-range.ts'
import { createWorkspace } from '../../support/workspace.ts'

const everybody = await identities()

async function doctor(
  identity: Identity,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
) {
  await using workspace = await createWorkspace(identity)
  return await workspace.ossb(['doctor', ...args], { env })
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

describe.each(everybody.filter(({ name }) => name === 'ordinary user'))(
  'ossb doctor where the id range of $userName is left unused',
  (user) => {
    test('says that builds have one id, why, and what would be better', async () => {
      const { status, stdout } = await doctor(user, [], { OSSB_ID_RANGE: 'none' })
      expect(status).toBe(0)
      expect(stdout).toMatch(
        /^ {2}yes {2}rootless \(one id\) +can be used: id range: OSSB_ID_RANGE is "none"$/m,
      )
      expect(stdout).toMatch(/^Builds use "rootless" \(one id\): .*owners of files are recorded/m)
      expect(stdout).toMatch(/^ {2}yes {2}owner records /m)
      expect(stdout).toMatch(/^ {2}- id range: Unset OSSB_ID_RANGE$/m)
    })

    test('refuses the container executor, which needs the range', async () => {
      await using workspace = await createWorkspace(user)
      await workspace.write({ 'app/Dockerfile': 'FROM scratch\n' })
      const { status, stderr } = await workspace.ossb(['build', '--executor', 'container', 'app'], {
        env: { OSSB_ID_RANGE: 'none' },
      })
      expect(status).not.toBe(0)
      expect(stderr).toMatch(/Cannot .*subordinate ids|id range: OSSB_ID_RANGE is "none"/)
    })
  },
)

// Root is needed to make a user and to become one.
const ordinary = canMakeUsers ? everybody.filter(({ name }) => name === 'ordinary user') : []

describe.each(ordinary)('ossb doctor where something is refused to $userName', (user) => {
  test('names the files without a range and the command that adds one', async () => {
    const { status, stdout } = await doctor(await userWithoutRange(user), ['--format', 'json'])
    const report = JSON.parse(stdout) as DoctorReport
    const name = NAME_WITHOUT_RANGE
    expect(status).toBe(0)
    expect(report.chosen).toBe('rootless')
    expect(report.executors.find((executor) => executor.name === 'rootless')).toEqual({
      name: 'rootless',
      variant: 'one id',
      usable: true,
      reason: `id range: /etc/subuid has no range for "${name}", /etc/subgid has no range for "${name}"`,
      remedy: `As root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${name}`,
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
    expect(result.status).toBe(0)
    expect(result.stdout).toMatch(
      /rootless \(one id\) +can be used: id range: newuidmap .*no_new_privs is set/,
    )
  })
})
