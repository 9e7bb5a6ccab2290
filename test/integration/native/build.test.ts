import { execFileSync, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const checkout = fileURLToPath(new URL('../../..', import.meta.url))

test('the committed helpers are what their source gives, where the compilers are installed', () => {
  const { status, stdout, stderr } = spawnSync('sh', ['scripts/build-native.sh', '--check'], {
    cwd: checkout,
    encoding: 'utf8',
  })
  expect(stderr).toBe('')
  expect(stdout).toMatch(/^x64: (identical|not .*)\narm64: (identical|not .*)\n$/)
  expect(status).toBe(0)
})

test('the helpers need nothing of the system and name no path of the machine that built them', () => {
  for (const architecture of ['x64', 'arm64']) {
    const program = `src/native/prebuilt/linux-${architecture}/ossb-helper`
    const text = execFileSync('cat', [program], { cwd: checkout, encoding: 'latin1' })
    expect(text).not.toMatch(/\/(work|home|tmp|build)\/|ld-musl|\.so\.\d/)
  }
})
