import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { type Descriptor, digestOf, MEDIA_TYPE } from '../../../../src/core/index.ts'
import { copy, createRegistryClient, type RegistryClient } from '../../../../src/registry/index.ts'
import { sampleBlob } from '../../../support/push-lab.ts'
import { type RegistryTestOptions, type RunningRegistry, startRegistry } from '../../../support/registry.ts'
import { addImage, memoryRepository, recordingJob } from '../../../support/registry-image.ts'

const USER = { user: 'alice', password: 'opensesame' }
const endings: (() => PromiseLike<unknown>)[] = []

afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end()
})

async function start(
  options: RegistryTestOptions,
  more: { readonly chunkBytes?: number } = {},
): Promise<{ registry: RunningRegistry; client: RegistryClient; job: ReturnType<typeof recordingJob> }> {
  const registry = await startRegistry(options)
  endings.push(() => registry.stop())
  const auths = { [registry.host]: { username: USER.user, password: USER.password } }
  const client = createRegistryClient({
    insecureRegistries: [],
    environment: {
      DOCKER_AUTH_CONFIG: JSON.stringify({ auths }),
      ...(registry.caFile === undefined ? {} : { SSL_CERT_FILE: registry.caFile }),
    },
    ...more,
  })
  endings.push(() => client[Symbol.asyncDispose]())
  return { registry, client, job: recordingJob() }
}

const SETUPS: readonly (readonly [string, RegistryTestOptions])[] = [
  ['plain HTTP', {}],
  ['TLS', { tls: true }],
  ['htpasswd', { auth: USER }],
  ['a token server', { auth: USER, token: true }],
  ['relative Location headers', { relativeUrls: true }],
]

describe.each(SETUPS)('docker-registry with %s', (_name, options) => {
  test.each([
    ['whole blobs', undefined],
    ['chunks', 300_000],
  ])('takes a push in %s after a check, and keeps no upload open', async (_how, chunkBytes) => {
    const { registry, client, job } = await start(options, chunkBytes === undefined ? {} : { chunkBytes })
    const name = { registry: registry.host, repository: 'team/app' }
    await client.checkPush(name, job)
    const source = memoryRepository()
    const image = addImage(source, [1_000_000, 50_000, 0])
    await copy(source, client.repository(name), image, job)
    await client.repository(name).tag(image, 'v1', job)
    const back = memoryRepository()
    await copy(client.repository(name), back, image, job)
    for (const [digest, bytes] of back.contents) expect(digestOf(bytes)).toBe(digest)
    expect(back.contents.size).toBe(source.contents.size)
    expect(job.events.filter(({ type }) => type === 'warning')).toEqual([])
  })

  test('lists referrers by the tag, and takes them away again', async () => {
    const { registry, client, job } = await start(options)
    const remote = client.repository({ registry: registry.host, repository: 'team/app' })
    const source = memoryRepository()
    const image = addImage(source, [1000])
    const config = source.add('application/vnd.oci.empty.v1+json', Buffer.from('{}'))
    const document = {
      schemaVersion: 2,
      mediaType: MEDIA_TYPE.ociManifest,
      artifactType: 'application/vnd.example.sbom',
      config,
      layers: [config],
      subject: image,
    }
    const referrer = source.add(MEDIA_TYPE.ociManifest, Buffer.from(JSON.stringify(document)))
    await copy(source, remote, image, job)
    await copy(source, remote, referrer, job)
    expect(await remote.referrers(image.digest, job)).toEqual([
      { ...referrer, artifactType: document.artifactType },
    ])
    await remote.remove(referrer.digest, job)
    expect(await remote.referrers(image.digest, job)).toEqual([])
    expect(await remote.has(referrer, job)).toBe(false)
  })
})

describe('removing a manifest', () => {
  const pushed = async (options: RegistryTestOptions) => {
    const { registry, client, job } = await start(options)
    const remote = client.repository({ registry: registry.host, repository: 'x' })
    const source = memoryRepository()
    const image: Descriptor = addImage(source, [1000])
    await copy(source, remote, image, job)
    await remote.tag(image, 'v1', job)
    return { registry, remote, image, job }
  }

  test('where that is allowed takes its tags with it, and then it is not found', async () => {
    const { remote, image, job } = await pushed({})
    await remote.remove(image.digest, job)
    await expect(remote.resolve('v1', job)).rejects.toMatchObject({ code: 'ERR_OSSB_NOT_FOUND' })
    await expect(remote.remove(image.digest, job)).rejects.toMatchObject({ code: 'ERR_OSSB_NOT_FOUND' })
  })

  test('where it is not allowed is a clear error', async () => {
    const { registry, remote, image, job } = await pushed({ keepsAll: true })
    await expect(remote.remove(image.digest, job)).rejects.toMatchObject({
      code: 'ERR_OSSB_REGISTRY',
      message: expect.stringContaining(
        `Cannot remove manifest ${image.digest} from "${registry.host}/x": the registry allows no deletion: 405 UNSUPPORTED`,
      ),
      hint: expect.stringContaining('storage.delete.enabled'),
    })
    expect(await remote.has(image, job)).toBe(true)
  })
})

describe('D14: docker-registry that takes no push', () => {
  const refused = async (options: RegistryTestOptions) => {
    const { registry, client, job } = await start(options)
    const error: unknown = await client
      .checkPush({ registry: registry.host, repository: 'x' }, job)
      .catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({
      code: 'ERR_OSSB_REGISTRY',
      message: expect.stringContaining(`Cannot push to "${registry.host}/x": 405 `),
      hint: 'The registry takes no pushes: it is read-only, or a mirror of another registry. Push to that one.',
    })
  }

  test('because it is read-only', () => refused({ readOnly: true }))

  test('because it is a mirror', async () => {
    const { registry } = await start({})
    await refused({ mirrorOf: `http://${registry.host}` })
  })
})

describe('D9: docker-registry behind a proxy that ends TLS, and which takes its address for', () => {
  const push = async (externalUrl: string) => {
    const { registry, client, job } = await start({ tls: true, externalUrl })
    const { blob, open } = sampleBlob(100_000)
    const remote = client.repository({ registry: registry.host, repository: 'x' })
    await remote.put(blob, open, job)
    return remote.has(blob, job)
  }

  test('one of plain http: it is spoken to over https', async () => {
    expect(await push('http://127.0.0.1:1')).toBe(true)
  })

  test('one of plain http on another host: nothing is sent there', async () => {
    await expect(push('http://registry.invalid')).rejects.toMatchObject({
      code: 'ERR_OSSB_REGISTRY',
      message: expect.stringContaining('it sends us from https to "http://registry.invalid"'),
    })
  })
})

test('a mount with a token that does not allow its source ends in an upload', async () => {
  const { registry, client, job } = await start({ auth: USER, token: true, denied: ['base'] })
  const source = memoryRepository()
  const image = addImage(source, [100_000])
  const remote = client.repository(
    { registry: registry.host, repository: 'x' },
    { mountFrom: () => `${registry.host}/base` },
  )
  await copy(source, remote, image, job)
  expect(await remote.has(image, job)).toBe(true)
  expect(registry.tokenRequests).toContain('GET alice repository:x:pull,push repository:base:pull')
})

test('tokens that live five seconds do for a push that takes longer', async () => {
  const { registry, client, job } = await start(
    { auth: USER, token: true, tokenLifetime: 5 },
    { chunkBytes: 200_000 },
  )
  const remote = client.repository({ registry: registry.host, repository: 'x' })
  const slowly = ({ bytes }: { bytes: Buffer }) =>
    async function* () {
      for (let at = 0; at < bytes.length; at += 100_000) {
        if (at > 0) await delay(1300)
        yield bytes.subarray(at, at + 100_000)
      }
    }
  // One in chunks, with a request now and then, and one in a request that is longer than a token lives.
  const chunked = sampleBlob(600_000)
  const whole = sampleBlob(190_000)
  const wholeSlowly = async function* () {
    // The request starts with what comes first; one piece is always held back.
    yield whole.bytes.subarray(0, 45_000)
    yield whole.bytes.subarray(45_000, 90_000)
    await delay(5500)
    yield whole.bytes.subarray(90_000)
  }
  await Promise.all([
    remote.put(chunked.blob, () => Promise.resolve(Readable.from(slowly(chunked)())), job),
    remote.put(whole.blob, () => Promise.resolve(Readable.from(wholeSlowly())), job),
  ])
  const source = memoryRepository()
  await copy(source, remote, addImage(source, [1000]), job)
  expect([await remote.has(chunked.blob, job), await remote.has(whole.blob, job)]).toEqual([true, true])
  expect(registry.tokenRequests.filter((line) => line.endsWith('pull,push')).length).toBeGreaterThan(1)
})

test('D18: tokens that allow no deletion do not matter to a push whose upload fails', async () => {
  const { registry, client, job } = await start({ auth: USER, token: true })
  const remote = client.repository({ registry: registry.host, repository: 'x' })
  const { blob, bytes, open } = sampleBlob(100_000)
  let opened = 0
  const brokenOnce = () => {
    opened += 1
    const broken = async function* () {
      yield bytes.subarray(0, 50_000)
      await Promise.reject(
        Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET', syscall: 'read' }),
      )
    }
    return opened === 1 ? Promise.resolve(Readable.from(broken())) : open()
  }
  await remote.put(blob, brokenOnce, job)
  expect(opened).toBe(2)
  expect(await remote.has(blob, job)).toBe(true)
  // The token for pushing is asked for once: the refused end of the upload renews nothing.
  expect(registry.tokenRequests.filter((line) => line.endsWith('pull,push'))).toHaveLength(1)
})
