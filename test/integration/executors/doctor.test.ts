import { spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import type { DoctorReport } from '../../../src/index.ts'
import { mustRun, runCommand } from '../../support/command.ts'
import { canRunContainers, PROGRAM_IN_CONTAINER, startDocker } from '../../support/container.ts'
import { type Identity, identities } from '../../support/identity.ts'
import { canMakeUsers, NAME_WITHOUT_RANGE, userWithoutRange } from '../../support/user-without-range.ts'
import { createWorkspace, type Workspace } from '../../support/workspace.ts'

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
      `traced ${chosen === 'rootless'}`,
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

/**
 * Ways to be refused something for real. Each is a script that does so where it is root of a user namespace of its own,
 * and then starts "$@" in one below, as the user that it was before.
 */
const AS_BEFORE = 'exec unshare --user --map-user="$OWN_UID" --map-group="$OWN_GID" -- "$@"'
const REFUSALS = {
  // The one that is allowed is that of AS_BEFORE.
  'no more user namespaces': `echo 1 >/proc/sys/user/max_user_namespaces; ${AS_BEFORE}`,
  'no newuidmap': `mount --bind /dev/null "$(command -v newuidmap)"; ${AS_BEFORE}`,
  // There can be no overlay on an overlay.
  'a noexec cache': `mkdir cache lower upper work
    mount -t overlay -o noexec,lowerdir=lower,upperdir=upper,workdir=work,userxattr none cache; ${AS_BEFORE}`,
  'a nosuid cache': `mkdir cache lower upper work
    mount -t overlay -o nosuid,lowerdir=lower,upperdir=upper,workdir=work,userxattr none cache; ${AS_BEFORE}`,
} as const

async function refused(workspace: Workspace, how: keyof typeof REFUSALS, args: readonly string[]) {
  const { identity, path } = workspace
  const { uid = process.getuid?.() ?? 0, gid = process.getgid?.() ?? 0 } = identity
  const enter = ['--user', '--map-root-user', '--mount', 'sh', '-euc', REFUSALS[how], 'sh']
  return await runCommand('unshare', [...enter, identity.node, identity.program, ...args], {
    cwd: path,
    env: { ...workspace.environment(), OWN_UID: String(uid), OWN_GID: String(gid) },
    ...(identity.uid === undefined ? {} : { uid, gid }),
  })
}

describe.each(everybody.filter(({ name }) => name === 'ordinary user'))(
  'ossb doctor where $userName is refused something for real',
  (user) => {
    test.each([
      {
        how: 'no more user namespaces',
        rungs: [2, 3],
        reason: /^user namespaces: unshare user namespace: ENOSPC: .*\/proc\/sys\/user\/max_user_namespaces/,
        remedy: 'As root: sysctl -w user.max_user_namespaces=10000',
        status: 1,
      },
      {
        how: 'no newuidmap',
        rungs: [2],
        reason: /^id range: newuidmap is not installed/,
        remedy: 'As root: apt-get install uidmap',
        status: 0,
      },
      {
        how: 'a noexec cache',
        rungs: [2, 3],
        reason: /^cache directory: access X_OK: EACCES: ".*cache" is mounted noexec/,
        remedy: 'Use a --cache-dir on a file system that is mounted without noexec',
        status: 1,
      },
    ] as const)(
      '$how: names the call or file and the remedy',
      async ({ how, rungs, reason, remedy, status }) => {
        await using workspace = await createWorkspace(user)
        const args = ['doctor', '--cache-dir', 'cache', '--executor', 'rootless', '--format', 'json']
        const result = await refused(workspace, how, args)
        const report = JSON.parse(result.stdout) as DoctorReport
        expect(report.rungs.map(({ number }) => number)).toEqual([1, 2, 3, 4, 5, 6])
        for (const rung of report.rungs.filter(({ number }) =>
          (rungs as readonly number[]).includes(number),
        )) {
          expect(rung.usable).toBe(false)
          expect(rung.reason).toMatch(reason)
          expect(rung.remedy).toContain(remedy)
        }
        expect(result.status).toBe(status)
      },
    )

    test('a nosuid cache: says what has no effect, and goes on', async () => {
      await using workspace = await createWorkspace(user)
      const { status, stdout } = await refused(workspace, 'a nosuid cache', [
        'doctor',
        '--cache-dir',
        'cache',
      ])
      expect(stdout).toMatch(
        /^ {2}no {3}cache directory +".*cache" is mounted nosuid: sudo .*\n +-> Use a --cache-dir/m,
      )
      expect(status).toBe(0)
    })

    test('a build fails with the words of doctor', async () => {
      await using workspace = await createWorkspace(user)
      await workspace.write({ 'app/Dockerfile': 'FROM scratch\nCOPY Dockerfile /\n' })
      const args = ['build', '--executor', 'rootless', 'app']
      const { status, stderr } = await refused(workspace, 'no more user namespaces', args)
      expect(status).not.toBe(0)
      expect(stderr).toMatch(
        /Cannot use the executor "rootless": user namespaces: unshare user namespace: ENOSPC: user\.max_user_namespaces/,
      )
      expect(stderr).toContain('As root: sysctl -w user.max_user_namespaces=10000')
    })

    test('an OCI runtime that can not run anything is not called usable', async () => {
      await using workspace = await createWorkspace(user)
      await workspace.write({ 'bin/crun': '#!/bin/sh\nexit 7\n' })
      await mustRun('chmod', ['755', workspace.file('bin/crun')])
      const env = { PATH: `${workspace.file('bin')}:${workspace.environment()['PATH']}` }
      const { stdout } = await workspace.ossb(['doctor', '--format', 'json'], { env })
      expect((JSON.parse(stdout) as DoctorReport).rungs[5]).toMatchObject({
        number: 6,
        usable: false,
        reason: `OCI runtime: ${workspace.file('bin/crun')}: a process in it ended with status 7`,
      })
    })
  },
)

// Root is needed to start a container.
const containers = canRunContainers ? ['a default container'] : []

test.each(containers)(
  'ossb doctor names the seccomp profile of %s, and the settings that lift it',
  async () => {
    await using docker = await startDocker()
    for (const user of ['0', '1000'] as const) {
      const doctor = ['node', PROGRAM_IN_CONTAINER, 'doctor', '--cache-dir', '/tmp/cache', '--format', 'json']
      const { rungs } = JSON.parse((await docker.run(doctor, { user })).stdout) as DoctorReport
      const rung = rungs.find(({ number }) => number === (user === '0' ? 1 : 3))
      expect(rung?.usable).toBe(false)
      expect(rung?.reason).toMatch(/: unshare (mount|user) namespace: EPERM: .*seccomp profile forbids it/)
      expect(rung?.remedy).toMatch(/--security-opt seccomp=unconfined .*\(Kubernetes: securityContext\./)
    }
  },
)

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
