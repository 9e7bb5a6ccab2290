import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { miniBase } from '../support/base-image.ts'
import { identities } from '../support/identity.ts'
import { readProgress } from '../support/progress.ts'
import { readOciArchive } from '../support/read-archive.ts'
import { createWorkspace } from '../support/workspace.ts'

const base = await miniBase()

const DOCKERFILE = `FROM oci-layout://${base}:base AS build
COPY words /words
RUN sort /words > /sorted
FROM oci-layout://${base}:base
COPY --from=build --chown=12:34 /sorted /app/
RUN echo made > /app/made && chmod 0640 /app/made
ENV A=b
USER 12
CMD ["cat", "/app/sorted"]
`

describe.each(await identities())('as $name', (identity) => {
  test('ossb version prints the version of the package', async () => {
    await using workspace = await createWorkspace(identity)
    const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'))
    expect((await workspace.mustOssb(['version'])).stdout).toContain(version)
  })

  test('ossb --help and ossb build --help say how to start', async () => {
    await using workspace = await createWorkspace(identity)
    expect((await workspace.mustOssb(['--help'])).stdout).toMatch(/ossb build/)
    expect((await workspace.mustOssb(['build', '--help'])).stdout).toMatch(/--tag[\s\S]*--cache-dir/)
  })

  test('a wrong flag is an error of usage, and nothing is started', async () => {
    await using workspace = await createWorkspace(identity)
    const result = await workspace.ossb(['build', '--no-such-flag', '.'])
    expect(result.status).toBe(2)
    expect(result.stderr).toContain('no-such-flag')
    expect(await workspace.leftovers()).toEqual([])
  })

  test('ossb doctor names the executor that builds take, as text and as JSON', async () => {
    await using workspace = await createWorkspace(identity)
    const report = JSON.parse((await workspace.mustOssb(['doctor', '--format', 'json'])).stdout)
    expect(report.chosen).toBe(identity.name === 'root' ? 'local' : 'rootless')
    expect(report.facts.length).toBeGreaterThan(2)
    expect((await workspace.mustOssb(['doctor'])).stdout).toContain(report.chosen)
  })

  test('two stages build to an archive; a second build runs nothing and gives the same', async () => {
    await using workspace = await createWorkspace(identity)
    await workspace.write({ 'app/Dockerfile': DOCKERFILE, 'app/words': 'b\na\n' })
    const build = (dest: string): Promise<{ stderr: string }> =>
      workspace.mustOssb([
        'build',
        '--progress',
        'json',
        '-t',
        'smoke:1',
        '-o',
        `type=oci,dest=${dest}`,
        'app',
      ])
    const first = readProgress((await build('first.tar')).stderr)
    const second = readProgress((await build('second.tar')).stderr)
    expect(first.completed.filter((name) => name.includes('RUN'))).toHaveLength(2)
    expect(second.completed.filter((name) => /RUN|COPY/.test(name))).toEqual([])
    expect(second.cached.filter((name) => name.includes('RUN'))).not.toEqual([])
    const image = await readOciArchive(workspace.file('first.tar'))
    expect(await readFile(workspace.file('second.tar'))).toEqual(await readFile(workspace.file('first.tar')))
    expect(image.config.config).toMatchObject({ User: '12', Cmd: ['cat', '/app/sorted'] })
    expect(image.manifest.layers).toHaveLength(3)
    expect(await workspace.leftovers()).toEqual([])
  })
})
