import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { miniBase } from '../support/base-image.ts'
import { mustRun } from '../support/command.ts'
import { identities } from '../support/identity.ts'
import { createWorkspace } from '../support/workspace.ts'

test('no overlay that a build writes to has its file system synced when it is unmounted', async () => {
  const [identity] = await identities()
  if (identity === undefined) throw new Error('there is nobody to build')
  await using workspace = await createWorkspace(identity)
  await workspace.write({ 'app/Dockerfile': `FROM oci-layout://${await miniBase()}:base\nRUN echo >/made\n` })
  const [trace, calls] = [workspace.file('trace'), ['-e', 'trace=mount,sync,syncfs']]
  // A traced process gains no privilege from newuidmap: one id is enough here.
  const env = workspace.environment({ OSSB_ID_RANGE: 'none' })
  const { node, program } = identity
  const build = ['-f', '-qqq', '-s', '4096', '-o', trace, ...calls, node, program, 'build', 'app']
  await mustRun('strace', build, { cwd: workspace.path, env })
  const lines = (await readFile(trace, 'utf8')).split('\n')
  const written = lines.filter((line) => line.includes('upperdir='))
  expect(written.filter((line) => !line.includes(',volatile'))).toEqual([])
  expect(lines.filter((line) => /sync(fs)?\(/.test(line))).toEqual([])
  expect(written.length).toBeGreaterThan(0)
})
