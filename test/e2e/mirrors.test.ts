import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { miniBase } from '../support/base-image.ts'
import { mustRun } from '../support/command.ts'
import { identities } from '../support/identity.ts'
import { type RunningRegistry, startRegistry } from '../support/registry.ts'
import { createWorkspace, type Workspace } from '../support/workspace.ts'

const base = await miniBase()

/** What Docker Hub has as team/base:1 in these tests, and what has it in place of Docker Hub. */
let upstream: RunningRegistry
let mirror: RunningRegistry
let secure: RunningRegistry

const push = (name: string): Promise<string> =>
  mustRun('skopeo', ['copy', '--quiet', '--dest-tls-verify=false', `oci:${base}:base`, `docker://${name}`])

beforeAll(async () => {
  upstream = await startRegistry()
  mirror = await startRegistry({ mirrorOf: `http://${upstream.host}` })
  secure = await startRegistry({ tls: true })
  await push(`${upstream.host}/team/base:1`)
  await push(`${upstream.host}/proxy/docker.io/team/base:1`)
  await push(`${secure.host}/team/base:1`)
})

afterAll(async () => {
  for (const registry of [mirror, upstream, secure]) await registry?.stop()
})

const DOCKERFILE = 'FROM team/base:1\nRUN echo done > /done\n'
const PLAIN = ['build', '--progress', 'plain', '--skip-default-registry-fallback']

async function workspaceWith(workspace: Workspace, files: Record<string, string> = {}): Promise<void> {
  await workspace.write({ 'app/Dockerfile': DOCKERFILE, ...files })
}

describe.each(await identities())('as $name', (identity) => {
  test('a base image comes through a pull-through mirror of Docker Hub, which the log names', async () => {
    await using workspace = await createWorkspace(identity)
    await workspaceWith(workspace)
    const { stderr } = await workspace.mustOssb([
      ...PLAIN,
      '--registry-mirror',
      `http://${mirror.host}`,
      'app',
    ])
    expect(stderr).toContain(`docker.io/team/base comes from ${mirror.host}/team/base`)
    expect(await workspace.leftovers()).toEqual([])
  })

  test('a map with a path that looks like a host; one that was not used is told of', async () => {
    await using workspace = await createWorkspace(identity)
    await workspaceWith(workspace)
    const map = `quay.io=${mirror.host};index.docker.io=127.0.0.1:1,${upstream.host}/proxy/docker.io`
    const { stderr } = await workspace.mustOssb([...PLAIN, '--registry-map', map, 'app'])
    expect(stderr).toContain(`docker.io/team/base comes from ${upstream.host}/proxy/docker.io/team/base`)
    expect(stderr).toMatch(/WARN: .*"127\.0\.0\.1:1\/team\/base".*ECONNREFUSED.*Asking the next place/)
    expect(stderr).toContain('No image of "quay.io" was asked for: its --registry-map was not used')
  })

  test('the environment stands in for both flags', async () => {
    await using workspace = await createWorkspace(identity)
    await workspaceWith(workspace)
    const env = { OSSB_REGISTRY_MIRROR: `http://${mirror.host}`, OSSB_REGISTRY_MAP: 'quay.io=127.0.0.1:1' }
    const { stderr } = await workspace.mustOssb([...PLAIN, 'app'], { env })
    expect(stderr).toContain(`comes from ${mirror.host}/team/base`)
    expect(stderr).not.toContain('quay.io')
  })

  test('a registries.conf of the user says where Docker Hub is, and what is insecure', async () => {
    await using workspace = await createWorkspace(identity)
    const conf = `[[registry]]\nprefix = "docker.io/team"\nlocation = "${secure.host}/team"\ninsecure = true\n`
    await workspaceWith(workspace, { 'home/.config/containers/registries.conf': conf })
    const { stderr } = await workspace.mustOssb([...PLAIN, 'app'])
    expect(stderr).toContain(`docker.io/team/base comes from ${secure.host}/team/base`)
    await workspaceWith(workspace, { 'strict.conf': conf.replace('insecure = true\n', '') })
    const refused = await workspace.ossb([...PLAIN, '--no-cache', '--registries-conf', 'strict.conf', 'app'])
    expect(refused.status).toBe(1)
    expect(refused.stderr).toMatch(/certificate/)
  })

  test('a blocked registry is one error that names the file', async () => {
    await using workspace = await createWorkspace(identity)
    await workspaceWith(workspace, { 'r.conf': '[[registry]]\nprefix = "docker.io"\nblocked = true\n' })
    const result = await workspace.ossb([...PLAIN, '--registries-conf', 'r.conf', 'app'])
    expect(result.status).toBe(1)
    expect(result.stderr).toContain('ERROR: Cannot use "docker.io/team/base": "r.conf" blocks it')
    await workspace.write({ 'bad.conf': '[[registry]\n' })
    const bad = await workspace.ossb([...PLAIN, '--registries-conf', 'bad.conf', 'app'])
    expect(bad.stderr).toMatch(/ERROR: Cannot read the registries in "bad\.conf:1": /)
  })

  test('an authority for one registry, by flag and by directory', async () => {
    await using workspace = await createWorkspace(identity)
    const authority = await readFile(secure.caFile ?? '', 'utf8')
    await workspaceWith(workspace, { 'ca.pem': authority, [`certs/${secure.host}/ca.crt`]: authority })
    const from = ['--registry-map', `docker.io=${secure.host}`, '--no-cache']
    const unknown = await workspace.ossb([...PLAIN, ...from, 'app'])
    expect(unknown.status).toBe(1)
    expect(unknown.stderr).toMatch(/certificate/)
    await workspace.mustOssb([...PLAIN, ...from, '--registry-certificate', `${secure.host}=ca.pem`, 'app'])
    await workspace.mustOssb([...PLAIN, ...from, '--cert-dir', 'certs', 'app'])
  })

  test('when no mirror has it, the one error tells what each said', async () => {
    await using workspace = await createWorkspace(identity)
    await workspace.write({ 'app/Dockerfile': 'FROM team/none:1\n' })
    const map = `docker.io=${upstream.host},${mirror.host}/deep`
    const result = await workspace.ossb([...PLAIN, '--registry-map', map, 'app'])
    expect(result.status).toBe(1)
    expect(result.stderr).toContain(
      'ERROR: Cannot find "1" for "docker.io/team/none": none of 2 places gave it:',
    )
    expect(result.stderr).toContain(`  - Cannot find "1" in "${upstream.host}/team/none": 404`)
    expect(result.stderr).toContain(`  - Cannot find "1" in "${mirror.host}/deep/team/none": 404`)
  })
})
