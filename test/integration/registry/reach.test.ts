import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createRegistryClient } from '../../../src/registry/index.ts'
import { startFileServer } from '../../support/file-server.ts'
import { type RunningRegistry, startRegistry } from '../../support/registry.ts'
import { recordingJob } from '../../support/registry-image.ts'

const OFFLINE = 'ERR_OSSB_OFFLINE'
const LOGIN = { user: 'user', password: 'password' }

describe('a registry client that may connect to some hosts only', () => {
  let registry: RunningRegistry
  let home: string

  beforeAll(async () => {
    registry = await startRegistry({ auth: LOGIN, token: true })
    home = await mkdtemp(join(tmpdir(), 'ossb-reach-'))
    const helper = `#!/bin/sh\n: > ${home}/ran\necho '{"Username":"user","Secret":"password"}'\n`
    await writeFile(join(home, 'docker-credential-mark'), helper, { mode: 0o755 })
    const helpers = { [registry.host]: 'mark' }
    await writeFile(join(home, 'config.json'), JSON.stringify({ credHelpers: helpers }))
  })

  afterAll(async () => {
    await registry?.stop()
    await rm(home, { recursive: true })
  })

  const resolve = async (allowedHosts: readonly string[], host = registry.host) => {
    const environment = { PATH: `${home}:${process.env['PATH'] ?? ''}`, DOCKER_CONFIG: home }
    await using client = createRegistryClient({ insecureRegistries: [], environment, allowedHosts })
    return await client.repository({ registry: host, repository: 'a/b' }).resolve('1', recordingJob())
  }

  test('starts no credential helper for another', async () => {
    await expect(resolve([])).rejects.toMatchObject({ code: OFFLINE })
    await expect(resolve(['other.test'])).rejects.toMatchObject({
      code: OFFLINE,
      message: `Cannot connect to "${registry.host}": only hosts of --allow-host may be reached`,
    })
    expect(existsSync(join(home, 'ran'))).toBe(false)
    expect(registry.tokenRequests).toEqual([])
  })

  test('asks for a token where that is allowed only', async () => {
    await expect(resolve([registry.host])).rejects.toMatchObject({ code: OFFLINE })
    expect(registry.tokenRequests).toEqual([])
    await expect(resolve(['127.0.0.1'])).rejects.toMatchObject({ code: 'ERR_OSSB_NOT_FOUND' })
    expect(registry.tokenRequests).not.toEqual([])
  })

  test('follows no redirect to another', async () => {
    await using away = await startFileServer()
    await using server = await startFileServer()
    server.files.set('/v2/', '{}')
    server.files.set('/v2/a/b/manifests/1', (_request, response) =>
      response.writeHead(307, { location: `${away.url}/manifest` }).end(),
    )
    const { host } = new URL(server.url)
    await expect(resolve([host], host)).rejects.toMatchObject({ code: OFFLINE })
    expect(server.requests.length).toBeGreaterThan(0)
    expect(away.requests).toEqual([])
  })
})
