import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { mustRun } from '../support/command.ts'
import { identities } from '../support/identity.ts'
import { ossbWithoutNetwork } from '../support/no-network.ts'
import { startOutsideInputs } from '../support/outside-inputs.ts'
import { readOciArchive } from '../support/read-archive.ts'
import { createWorkspace } from '../support/workspace.ts'

const ARCHITECTURE = ({ x64: 'amd64' } as Record<string, string>)[process.arch] ?? process.arch
const OTHER = ARCHITECTURE === 's390x' ? 'amd64' : 's390x'
const EPOCH = ['--build-arg', 'SOURCE_DATE_EPOCH=1700000000']

async function startInputs() {
  const inputs = await startOutsideInputs()
  await inputs.pushIndex('base:1', [
    { name: 'base:host', architecture: ARCHITECTURE },
    { name: 'base:other', architecture: OTHER },
  ])
  return inputs
}

describe.each(await identities())('as $name', (identity) => {
  test('a bundle builds the same image without any network', async () => {
    await using inputs = await startInputs()
    await using workspace = await createWorkspace(identity)
    await workspace.write({ 'app/Dockerfile': inputs.dockerfile })
    const output = (file: string) => ['-o', `type=oci,dest=${file},rewrite-timestamp=true`]
    await workspace.mustOssb(['build', ...EPOCH, ...output('online.tar'), 'app'])
    for (const [file, cache] of [
      ['inputs.tar', 'ossb'],
      ['again.tar', 'fresh'],
    ] as const)
      await workspace.mustOssb([
        'bundle',
        '--lock',
        `${file}.lock`,
        '--cache-dir',
        cache,
        ...EPOCH,
        file,
        'app',
      ])
    expect(await readFile(workspace.file('again.tar'))).toEqual(await readFile(workspace.file('inputs.tar')))
    const offline = await ossbWithoutNetwork(workspace, [
      'build',
      '--offline',
      '--locked',
      '--inputs',
      'inputs.tar',
      '--cache-dir',
      'elsewhere',
      ...EPOCH,
      ...output('offline.tar'),
      'app',
    ])
    expect(offline.stderr).not.toContain('ERROR')
    expect(offline.status).toBe(0)
    const online = await readOciArchive(workspace.file('online.tar'))
    expect((await readOciArchive(workspace.file('offline.tar'))).digest).toBe(online.digest)
    expect(await workspace.leftovers()).toEqual([])

    const name = `${inputs.registry.host}/base:1`
    const seen = await mustRun('skopeo', [
      'inspect',
      '--config',
      `oci-archive:${workspace.file('inputs.tar')}:${name}`,
    ])
    expect(JSON.parse(seen)).toMatchObject({ author: 'base' })
  })
})
