import { execFile } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { digestOf, parsePlatform, parseReference } from '../../../src/core/index.ts'
import {
  copy,
  createRegistryClient,
  type RegistryClient,
  resolveForPlatform,
} from '../../../src/registry/index.ts'
import { type RegistryTestOptions, type RunningRegistry, startRegistry } from '../../support/registry.ts'
import { addImage, addIndex, memoryRepository, recordingJob } from '../../support/registry-image.ts'

const USER = { user: 'alice', password: 'opensesame' }

const SETUPS: readonly (readonly [string, RegistryTestOptions])[] = [
  ['plain HTTP', {}],
  ['TLS with its own authority', { tls: true }],
  ['Basic authentication over TLS', { tls: true, auth: USER }],
  ['a token server', { auth: USER, token: true }],
  ['client certificates', { tls: true, clientCertificates: true }],
  ['Basic authentication over plain HTTP on this machine', { auth: USER }],
  [
    'a token server over TLS, and tokens that live a second',
    { tls: true, auth: USER, token: true, tokenLifetime: 1 },
  ],
  ['relative Location headers', { relativeUrls: true }],
]

describe.each(SETUPS)('docker-registry with %s', (_name, options) => {
  let registry: RunningRegistry
  let client: RegistryClient
  let home: string
  const job = recordingJob()

  beforeAll(async () => {
    registry = await startRegistry(options)
    home = mkdtempSync(join(tmpdir(), 'ossb-registry-home-'))
    const certificates = join(home, '.config/containers/certs.d', registry.host)
    mkdirSync(certificates, { recursive: true })
    if (registry.caFile !== undefined) copyFileSync(registry.caFile, join(certificates, 'ca.crt'))
    if (options.clientCertificates && registry.client !== undefined) {
      copyFileSync(registry.client.certFile, join(certificates, 'client.cert'))
      copyFileSync(registry.client.keyFile, join(certificates, 'client.key'))
    }
    const auth = Buffer.from(`${USER.user}:${USER.password}`).toString('base64')
    writeFileSync(join(home, 'config.json'), JSON.stringify({ auths: { [registry.host]: { auth } } }))
    client = createRegistryClient({
      insecureRegistries: [],
      environment: { DOCKER_CONFIG: home, HOME: home },
    })
  })

  afterAll(async () => {
    await client[Symbol.asyncDispose]()
    await registry.stop()
    rmSync(home, { recursive: true, force: true })
  })

  test('takes an image by copy() and gives it back unchanged', async () => {
    const source = memoryRepository()
    const image = addImage(source, [3_000_000, 10, 0])
    const remote = client.repository({ registry: registry.host, repository: 'team/app' })
    await copy(source, remote, image, job)
    await remote.tag(image, 'v1', job)

    expect(await remote.resolve('v1', job)).toEqual(image)
    expect(await remote.has(image, job)).toBe(true)
    const back = memoryRepository()
    await copy(remote, back, await remote.resolve('v1', job), job)
    expect([...back.contents.keys()].sort()).toEqual([...source.contents.keys()].sort())
    for (const [digest, bytes] of back.contents) expect(digestOf(bytes)).toBe(digest)
  })

  test('serves the image of a platform out of an index', async () => {
    const source = memoryRepository()
    const amd64 = addImage(source, [1000])
    const arm = addImage(source, [1000], { architecture: 'arm', variant: 'v6' })
    const index = addIndex(source, [
      { ...amd64, platform: { os: 'linux', architecture: 'amd64' } },
      { ...arm, platform: { os: 'linux', architecture: 'arm', variant: 'v6' } },
    ])
    const reference = parseReference(`${registry.host}/team/index:v1`)
    const remote = client.repository(reference)
    await copy(source, remote, index, job)
    await remote.tag(index, 'v1', job)

    const resolve = (platform: string) =>
      resolveForPlatform(
        remote,
        { name: 'v1', reference: `${registry.host}/team/index:v1` },
        parsePlatform(platform),
        job,
      )
    expect(await resolve('linux/arm/v7')).toEqual({
      manifest: expect.objectContaining({ digest: arm.digest }),
      root: index,
    })
    await expect(resolve('linux/s390x')).rejects.toMatchObject({
      code: 'ERR_OSSB_NOT_FOUND',
      message: `Cannot use "${registry.host}/team/index:v1": it has no image for linux/s390x`,
      hint: 'It has images for linux/amd64, linux/arm/v6; choose one of them with --platform.',
    })
  })

  test('mounts a blob from another repository without a transfer', async () => {
    const source = memoryRepository()
    const image = addImage(source, [500_000])
    await copy(source, client.repository({ registry: registry.host, repository: 'base' }), image, job)
    const events = recordingJob()
    const mountFrom = () => `${registry.host}/base`
    await copy(
      source,
      client.repository({ registry: registry.host, repository: 'derived' }, { mountFrom }),
      image,
      events,
    )
    expect(events.events).toEqual([])
  })

  test('uploads what can not be mounted', async () => {
    const source = memoryRepository()
    const image = addImage(source, [1000])
    const remote = client.repository(
      { registry: registry.host, repository: 'not-mounted' },
      { mountFrom: () => `${registry.host}/nowhere` },
    )
    await copy(source, remote, image, job)
    expect(await remote.has(image, job)).toBe(true)
  })

  test('says that a tag is not there', async () => {
    const remote = client.repository({ registry: registry.host, repository: 'team/nothing' })
    await expect(remote.resolve('v9', job)).rejects.toMatchObject({
      code: 'ERR_OSSB_NOT_FOUND',
      message: expect.stringContaining(
        `Cannot find "v9" in "${registry.host}/team/nothing": 404 MANIFEST_UNKNOWN`,
      ),
    })
  })

  test('allows a push that checkPush() asks about', async () => {
    const events = recordingJob()
    await client.checkPush({ registry: registry.host, repository: 'team/app' }, events)
    expect(events.events).toEqual([])
  })

  test('skopeo reads what was pushed', async () => {
    const source = memoryRepository()
    const image = addImage(source, [1000])
    const remote = client.repository({ registry: registry.host, repository: 'team/skopeo' })
    await copy(source, remote, image, job)
    await remote.tag(image, 'v1', job)
    const args = [
      'inspect',
      '--raw',
      '--tls-verify=false',
      '--cert-dir',
      join(home, '.config/containers/certs.d', registry.host),
      ...(options.auth === undefined ? [] : ['--creds', `${USER.user}:${USER.password}`]),
      `docker://${registry.host}/team/skopeo:v1`,
    ]
    // Not the synchronous form: the token server lives in this process.
    const { stdout } = await promisify(execFile)('skopeo', args, { encoding: 'utf8' })
    expect(stdout).toBe(source.contents.get(image.digest)?.toString())
  })
})
