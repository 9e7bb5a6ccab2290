import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { miniBase } from '../support/base-image.ts'
import { mustRun } from '../support/command.ts'
import { identities } from '../support/identity.ts'
import { withoutNetwork } from '../support/no-network.ts'
import { type RunningRegistry, startRegistry } from '../support/registry.ts'
import { createWorkspace, programOf } from '../support/workspace.ts'

const base = await miniBase()
let registry: RunningRegistry

beforeAll(async () => {
  registry = await startRegistry()
  for (const name of ['base:1', 'other:1'])
    await mustRun('skopeo', [
      'copy',
      '--dest-tls-verify=false',
      `oci:${base}:base`,
      `docker://${registry.host}/${name}`,
    ])
})

afterAll(() => registry?.stop())

describe.each(await identities())('as $name', (identity) => {
  test('what the warmer has put into a directory is enough to build without any network', async () => {
    await using workspace = await createWorkspace(identity)
    const image = `${registry.host}/base:1`
    await workspace.write({
      'app/Dockerfile': `ARG BASE=${image}\nFROM $BASE AS one\nRUN echo made >/made\nFROM one\nRUN cat /made\n`,
    })
    const warm = (...args: string[]) => workspace.warmer(['--cache-dir=warm', ...args])
    const first = await warm('-d', 'app/Dockerfile', '-i', `${registry.host}/nothing:1`)
    expect(first.stderr).toContain(`Cached ${image} as sha256:`)
    expect(first.stderr).toContain(`Failed to warm ${registry.host}/nothing:1: `)
    expect(first.status).toBe(0)
    const [digest = ''] = readdirSync(workspace.file('warm'))
    expect(digest).toMatch(/^sha256:[0-9a-f]{64}$/)
    expect(JSON.parse(readFileSync(workspace.file(`warm/${digest}/index.json`), 'utf8'))).toMatchObject({
      manifests: [{ digest }],
    })
    expect((await warm('--image', image)).stderr).toContain(`Image already in cache: ${image}`)
    expect(readdirSync(workspace.file('warm'))).toEqual([digest])

    const build = (...args: string[]) =>
      withoutNetwork(workspace, programOf(identity, 'executor'), [
        '-c',
        'app',
        '--no-push',
        '--no-push-cache',
        '--cache',
        '--oci-layout-path=out',
        ...args,
      ])
    const cold = await build('--cache-dir=nowhere')
    expect(cold.status).toBe(1)
    expect(existsSync(workspace.file('out'))).toBe(false)
    const tooOld = await build('--cache-dir=warm', '--cache-ttl=1ms')
    expect(tooOld.status).toBe(1)
    const built = await build('--cache-dir', 'warm')
    expect(built.stderr).not.toContain('error building image')
    expect(built.stdout).toContain('made')
    expect(built.status).toBe(0)
    expect(existsSync(workspace.file('out/index.json'))).toBe(true)
    expect(await workspace.leftovers()).toEqual([])
  })

  test('fails when no image at all can be had, and leaves nothing', async () => {
    await using workspace = await createWorkspace(identity)
    const result = await workspace.warmer(['-c', 'warm', '-i', `${registry.host}/nothing:1`])
    expect(result.stderr).toContain('failed warming cache: failed to warm any of the given images')
    expect(result.status).toBe(1)
    expect(existsSync(workspace.file('warm'))).toBe(false)
    const none = await workspace.warmer([])
    expect(none.stderr).toContain(
      'Error: you must select at least one image to cache or a dockerfilepath to parse',
    )
    expect(none.status).toBe(1)
  })
})
