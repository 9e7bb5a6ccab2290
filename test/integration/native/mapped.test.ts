import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { probeEnvironment, type RunSpec, readIdRanges, spawnMapped } from '../../../src/native/index.ts'
import { encodeRunSpec } from '../../../src/native/run-spec.ts'
import { ordinaryUser } from '../../support/ordinary-user.ts'
import {
  environments,
  helperOf,
  makeRoot,
  mappedEnvironment,
  oneIdEnvironment,
  openDirectory,
  publicHelper,
} from './environment.ts'

/** Times that only the processes of this run of the tests sleep. */
const SLEEPS = [`4321.${process.pid}`, `4322.${process.pid}`] as const

const user = ordinaryUser()
const ranges = { uidRanges: readIdRanges('/etc/subuid', user), gidRanges: readIdRanges('/etc/subgid', user) }
const mapped = { kind: 'user', ...ranges, stdio: 'ignore', env: { PATH: '/usr/bin:/bin' } } as const

describe('spawnMapped() as an ordinary user', () => {
  const helper = helperOf(user)
  const sh = async (script: string) => await spawnMapped(helper, mapped, ['sh', '-c', script]).exited

  test('gives the status of the command', async () => {
    expect(await sh('exit 7')).toBe(7)
    expect(await sh('kill -TERM $$')).toBe(143)
  })

  test('makes it root with ids of its own, and lets it mount without anybody seeing', async () => {
    const directory = mappedEnvironment().directory()
    const script = `test "$(id -u):$(id -g):$(id -G)" = 0:0:0 && cd ${directory} && touch f && chown 65536:65536 f &&
      test "$(stat -c %u f)" = 65536 && mkdir m && mount -t tmpfs none m && touch m/inside`
    expect(await sh(script)).toBe(0)
    expect(existsSync(join(directory, 'm/inside'))).toBe(false)
  })

  test('hands signals on', async () => {
    const process = spawnMapped(helper, mapped, ['sleep', '1000'])
    setTimeout(() => process.kill('SIGINT'), 300)
    expect(await process.exited).toBe(130)
  })

  test('says why it can not map: the ranges', async () => {
    const wrong = { ...mapped, uidRanges: [{ first: 5, count: 10 }] }
    await expect(spawnMapped(helper, wrong, ['true']).exited).rejects.toMatchObject({
      code: 'ERR_OSSB_EXECUTOR',
      message: expect.stringMatching(
        /^Cannot start "true" in namespaces of its own: newuidmap "newuidmap: .*not allowed/,
      ),
      hint: expect.stringContaining('/etc/subuid'),
    })
  })

  test('says why it can not start: the command', async () => {
    await expect(spawnMapped(helper, mapped, ['/no/such']).exited).rejects.toThrow(
      'Cannot start "/no/such" in namespaces of its own: exec "/no/such": No such file or directory',
    )
    await expect(spawnMapped({ path: '/no/helper' }, mapped, ['true']).exited).rejects.toThrow(
      'Cannot start the native helper for "true"',
    )
  })

  test('maps several ranges one after the other', async () => {
    const [uids] = ranges.uidRanges
    const [gids] = ranges.gidRanges
    if (uids === undefined || gids === undefined) throw new Error('the test user has no subordinate ids')
    const halves = ({ first, count }: typeof uids) => [
      { first: first + 1000, count: count - 1000 },
      { first, count: 1000 },
    ]
    const directory = openDirectory()
    writeFileSync(join(directory, 'map'), '', { mode: 0o666 })
    const split = { ...mapped, uidRanges: halves(uids), gidRanges: halves(gids), stdio: 'ignore' } as const
    const target = mappedEnvironment().directory()
    const script = `tr -s ' ' </proc/self/uid_map >${target}/map`
    expect(await spawnMapped(helper, split, ['sh', '-c', script]).exited).toBe(0)
    expect(readFileSync(join(target, 'map'), 'utf8')).toBe(
      ` 0 ${user.uid} 1\n 1 ${uids.first + 1000} ${uids.count - 1000}\n ${uids.count - 999} ${uids.first} 1000\n`,
    )
  })
})

test.each(environments().filter(({ name }) => name === 'root'))(
  'spawnMapped() as root only makes mounts private',
  async ({ helper }) => {
    const directory = openDirectory()
    mkdirSync(join(directory, 'm'))
    const script = `cd ${directory} && mount -t tmpfs none m && touch m/inside && test "$(id -u)" = 0 && exit 3`
    const root = { kind: 'root', stdio: 'ignore', env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' } } as const
    expect(await spawnMapped(helper, root, ['sh', '-c', script]).exited).toBe(3)
    expect(existsSync(join(directory, 'm/inside'))).toBe(false)
  },
)

describe.each([...environments(), oneIdEnvironment()])(
  'when the builder is killed, as $name',
  (environment) => {
    test('nothing that runs in a root is left', async () => {
      const root = makeRoot(environment)
      const directory = openDirectory()
      const spec: RunSpec = {
        root,
        args: ['/bin/sh', '-c', `trap "" TERM; setsid sleep ${SLEEPS[0]} & sleep ${SLEEPS[0]}`],
        env: ['PATH=/bin'],
        cwd: '/',
        uid: 0,
        gid: 0,
        groups: [],
        hostname: 'builder',
        network: 'none',
        security: 'sandbox',
        shmSize: 65536,
        limits: [],
        mounts: [],
      }
      writeFileSync(join(directory, 'spec'), encodeRunSpec(spec))
      const script = `${environment.helper.path} run 3 4 3<${directory}/spec 4>/dev/null; :`
      const builder = spawn('sh', ['-c', script], { stdio: 'ignore', detached: true })
      await until(() => running(SLEEPS[0]) >= 2)
      await killed(builder)
      await until(() => running(SLEEPS[0]) === 0)
    })
  },
)

test('when the builder is killed, the command in the user namespace dies with it', async () => {
  const list = (kind: 'uidRanges' | 'gidRanges') =>
    ranges[kind].map(({ first, count }) => `${first}:${count}`).join(',')
  const map = `${helperOf(user).path} map 9 user ${list('uidRanges')} ${list('gidRanges')} sleep ${SLEEPS[1]} 9>/dev/null; :`
  const builder = spawn('sh', ['-c', map], { stdio: 'ignore', detached: true })
  await until(() => running(SLEEPS[1]) === 1)
  await killed(builder)
  await until(() => running(SLEEPS[1]) === 0)
})

test('probeEnvironment() tries what an ordinary user may do', async () => {
  const directory = mappedEnvironment().directory()
  const items = await probeEnvironment(helperOf(user), directory, ranges)
  const found = Object.fromEntries(items.map(({ name, ...rest }) => [name, rest]))
  expect(found).toMatchObject({
    'mount-namespace': { ok: false, step: 'unshare mount namespace', errno: 1 },
    'user-mount': { ok: true },
    'user-overlay': { ok: true },
    'subordinate-ids': { ok: true },
    chroot: { ok: false, step: 'chroot', errno: 1 },
    mknod: { ok: false, step: 'mknod', errno: 1 },
  })
  const [missing] = (
    await probeEnvironment(helperOf(user), directory, { uidRanges: [{ first: 5, count: 1 }], gidRanges: [] })
  ).slice(-1)
  expect(missing).toMatchObject({ name: 'subordinate-ids', ok: false, step: 'newuidmap' })
})

test('probeEnvironment() leaves nothing behind', async () => {
  const directory = openDirectory()
  const items = await probeEnvironment(publicHelper(), directory)
  expect(items.length).toBe(16)
  expect(existsSync(directory)).toBe(true)
  expect(userInfo().uid !== 0 || items.every(({ ok }) => ok)).toBe(true)
})

async function killed(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL')
  await once(child, 'exit')
}

/** Processes whose command line is `sleep` for that time. */
function running(seconds: string): number {
  return processes().filter((line) => line === `sleep\0${seconds}\0`).length
}

function processes(): readonly string[] {
  return readdirSync('/proc').flatMap((pid) => {
    try {
      return /^\d+$/.test(pid) ? [readFileSync(`/proc/${pid}/cmdline`, 'utf8')] : []
    } catch {
      return []
    }
  })
}

async function until(condition: () => boolean): Promise<void> {
  for (let waited = 0; !condition(); waited += 20) {
    if (waited > 5000) throw new Error('it did not happen within five seconds')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
