import { expect, test } from 'vitest'
import { canRunContainers, PROGRAM_IN_CONTAINER, startDocker } from '../support/container.ts'

const SCRIPT = `grep ^CapBnd: /proc/self/status; unshare -m true 2>/dev/null || echo no mount namespace
unshare -r true 2>/dev/null || echo no user namespace; touch /x 2>/dev/null || echo no writing
df -k /dev/shm | tail -n 1; node ${PROGRAM_IN_CONTAINER} --version`

// Only root can start containers; the identities of another suite are no part of this.
const users = canRunContainers ? (['0', '1000'] as const) : []

test('the containers of the tests are as restricted as those of everybody', async () => {
  await using docker = canRunContainers ? await startDocker() : undefined
  for (const user of users) {
    const options = ['--read-only', '--shm-size=64m']
    const result = await docker?.run(['sh', '-c', SCRIPT], { user, options })
    expect(result?.stdout).toMatch(
      /^CapBnd:\t00000000a80425fb\nno mount namespace\nno user namespace\nno writing\nshm +65536 .*\nossb \S+\n$/,
    )
  }
  expect(docker === undefined).toBe(process.getuid?.() !== 0)
})
