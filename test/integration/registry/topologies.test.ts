import { once } from 'node:events'
import { createReadStream, mkdtempSync, rmSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { createCodec } from '../../../src/codec/index.ts'
import { type Descriptor, digestOf, MEDIA_TYPE, parsePlatform } from '../../../src/core/index.ts'
import { readAll } from '../../../src/io/index.ts'
import type { Repository } from '../../../src/oci/index.ts'
import {
  copy,
  copyBlob,
  createRegistryClient,
  type RegistryClient,
  resolveForPlatform,
} from '../../../src/registry/index.ts'
import { createOciLayout } from '../../../src/store/index.ts'
import { startFileServer } from '../../support/file-server.ts'
import { type RegistryTestOptions, type RunningRegistry, startRegistry } from '../../support/registry.ts'
import { addImage, addIndex, memoryRepository, recordingJob } from '../../support/registry-image.ts'

const USER = { user: 'alice', password: 'opensesame' }
const job = recordingJob()

async function running(options: RegistryTestOptions = {}): Promise<RunningRegistry> {
  const registry = await startRegistry(options)
  onTestFinished(() => registry.stop())
  return registry
}

function clientWith(environment: Readonly<Record<string, string>> = {}): RegistryClient {
  const client = createRegistryClient({
    insecureRegistries: [],
    environment: { HOME: '/nonexistent', ...environment },
  })
  onTestFinished(() => client[Symbol.asyncDispose]())
  return client
}

const login = (host: string, entry: object = { username: USER.user, password: USER.password }) => ({
  DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { [host]: entry } }),
})

async function push(client: RegistryClient, host: string, source: Repository, root: Descriptor) {
  const remote = client.repository({ registry: host, repository: 'team/app' })
  await copy(source, remote, root, job)
  await remote.tag(root, 'v1', job)
  return remote
}

/** Pulls into a store on disk, and reads all of it back. */
async function pull(remote: Repository, name = 'v1'): Promise<Map<string, number>> {
  const directory = mkdtempSync(join(tmpdir(), 'ossb-pulled-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  const store = createOciLayout(directory)
  const root = await remote.resolve(name, job)
  await copy(remote, store, root, job)
  const back = memoryRepository()
  await copy(store, back, root, job)
  return new Map([...back.contents].map(([digest, bytes]) => [digest, bytes.length]))
}

const sizes = (contents: ReadonlyMap<string, Buffer>) =>
  new Map([...contents].map(([digest, bytes]) => [digest, bytes.length]))
const sorted = (map: ReadonlyMap<string, number>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1))

test('a push that outlives its token several times is not noticed', async () => {
  const registry = await running({ auth: USER, token: true, tokenLifetime: 5 })
  const client = clientWith(login(registry.host))
  const source = memoryRepository()
  const image = addImage(source, [40_000, 30_000, 20_000, 10_000])
  /** A source whose layers take three seconds each, so that no two have the same token. */
  const slow: Repository = {
    ...source,
    open: async (content, own) => {
      const bytes = await readAll(await source.open(content, own), content.size, 'layer')
      return Readable.from(
        (async function* () {
          for (let at = 0; at < 3; at += 1) {
            if (content.size >= 10_000) await delay(1000)
            yield bytes.subarray((at * bytes.length) / 3, ((at + 1) * bytes.length) / 3)
          }
        })(),
        { objectMode: false },
      )
    },
  }
  const remote = client.repository({ registry: registry.host, repository: 'team/app' })
  await copy(slow, remote, image, job, { concurrency: 1 })
  await remote.tag(image, 'v1', job)
  expect(sorted(await pull(remote))).toEqual(sorted(sizes(source.contents)))
  expect(registry.tokenRequests.length).toBeGreaterThanOrEqual(3)
})

test.each([
  ['has POST', undefined, ['POST', 'POST']],
  ['refuses POST', 405, ['POST', 'GET', 'POST', 'GET']],
] as const)('a token server that %s trades an identity token', async (_name, refusePost, methods) => {
  const registry = await running({
    auth: USER,
    token: true,
    ...(refusePost === undefined ? {} : { refusePost }),
  })
  const client = clientWith(login(registry.host, { identitytoken: USER.password }))
  const source = memoryRepository()
  const pushed = push(client, registry.host, source, addImage(source))
  expect(sorted(await pull(await pushed))).toEqual(sorted(sizes(source.contents)))
  expect(registry.tokenRequests.map((line) => line.split(' ')[0])).toEqual(methods)
})

test('blobs lie in storage on another origin: what is there is not sent again, and needs no login to be read', async () => {
  let storage = ''
  const seen: string[] = []
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.headers.authorization ?? 'anonymous'}`)
    const path = join(storage, new URL(request.url ?? '', 'http://localhost').pathname)
    stat(path).then(
      ({ size }) => {
        response.writeHead(200, { 'content-length': String(size) })
        if (request.method === 'HEAD') response.end()
        else createReadStream(path).pipe(response)
      },
      () => response.writeHead(404).end(),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const redirectBlobsTo = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const registry = await running({ auth: USER, redirectBlobsTo })
  storage = registry.storage
  const client = clientWith(login(registry.host))
  const source = memoryRepository()
  const image = addImage(source)
  const remote = await push(client, registry.host, source, image)
  expect(sorted(await pull(remote))).toEqual(sorted(sizes(source.contents)))
  // All three are there now: the HEAD of each is redirected, and nothing is uploaded.
  const again = recordingJob()
  seen.splice(0)
  for (const digest of source.contents.keys())
    if (digest !== image.digest)
      await copyBlob(
        { source, destination: remote },
        {
          ...image,
          mediaType: 'x',
          digest: digest as Descriptor['digest'],
          size: source.contents.get(digest)?.length ?? 0,
        },
        again,
      )
  expect(seen).toEqual(['HEAD anonymous', 'HEAD anonymous', 'HEAD anonymous'])
  expect(again.events).toEqual([])
})

test('a pull-through mirror that is named serves what it mirrors, and when that is down what it has seen', async () => {
  const upstream = await startRegistry()
  let isUp = true
  onTestFinished(async () => {
    if (isUp) await upstream.stop()
  })
  const mirror = await running({ mirrorOf: `http://${upstream.host}` })
  const client = clientWith()
  const source = memoryRepository()
  const remote = await push(client, upstream.host, source, addImage(source))
  const other = addImage(source)
  await copy(source, remote, other, job)
  await remote.tag(other, 'v2', job)

  const mirrored = client.repository({ registry: mirror.host, repository: 'team/app' })
  const first = await pull(mirrored)
  expect(first.size).toBe(4)
  await expect(
    client.checkPush({ registry: mirror.host, repository: 'team/app' }, job),
  ).rejects.toMatchObject({
    message: expect.stringContaining('405 UNSUPPORTED'),
    hint: expect.stringContaining('a mirror of another registry'),
  })

  await upstream.stop()
  isUp = false
  const later = clientWith().repository({ registry: mirror.host, repository: 'team/app' })
  expect(sorted(await pull(later))).toEqual(sorted(first))
  await expect(later.resolve('v2', job)).rejects.toMatchObject({
    code: 'ERR_OSSB_NOT_FOUND',
    message: expect.stringMatching(
      /^Cannot find "v2" in "127\.0\.0\.1:\d+\/team\/app": 404 MANIFEST_UNKNOWN/,
    ),
    hint: expect.stringMatching(/mirror/),
  })
})

test('layers in zstd, and an index by platform and variant, come back as they went', async () => {
  const registry = await running()
  const client = clientWith()
  const source = memoryRepository()
  await using codec = createCodec({ workers: 0 })
  const packed = await readAll(
    codec.compress(Readable.from([Buffer.alloc(100_000, 'z')]), { type: 'zstd' }),
    1_000_000,
    'zstd',
  )
  const layer = source.add(MEDIA_TYPE.ociLayerZstd, packed)
  const config = source.add(MEDIA_TYPE.ociConfig, Buffer.from('{"os":"linux","architecture":"arm"}'))
  const manifest = { schemaVersion: 2, mediaType: MEDIA_TYPE.ociManifest, config, layers: [layer] }
  const v6 = source.add(MEDIA_TYPE.ociManifest, Buffer.from(JSON.stringify(manifest)))
  const v7 = addImage(source, [100], { architecture: 'arm', variant: 'v7' })
  const index = addIndex(source, [
    { ...v6, platform: { os: 'linux', architecture: 'arm', variant: 'v6' } },
    { ...v7, platform: { os: 'linux', architecture: 'arm', variant: 'v7' } },
  ])
  const remote = await push(client, registry.host, source, index)
  expect(sorted(await pull(remote))).toEqual(sorted(sizes(source.contents)))
  const chosen = async (platform: string) =>
    (await resolveForPlatform(remote, { name: 'v1', reference: 'app:v1' }, parsePlatform(platform), job))
      .manifest.digest
  expect([await chosen('linux/arm/v7'), await chosen('linux/arm/v6'), await chosen('linux/arm/v8')]).toEqual([
    v7.digest,
    v6.digest,
    v7.digest,
  ])
})

test('a foreign layer that the registry does not hold is had from where it lies', async () => {
  const registry = await running()
  const client = clientWith()
  await using files = await startFileServer()
  const bytes = Buffer.from('a layer that may not be passed on')
  files.files.set('/layer.tar.gz', bytes)
  const source = memoryRepository()
  const layer = {
    mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
    digest: digestOf(bytes),
    size: bytes.length,
    urls: [`${files.url}/layer.tar.gz`],
  }
  const config = source.add(MEDIA_TYPE.dockerConfig, Buffer.from('{"os":"windows","architecture":"amd64"}'))
  const manifest = { schemaVersion: 2, mediaType: MEDIA_TYPE.dockerManifest, config, layers: [layer] }
  const image = source.add(MEDIA_TYPE.dockerManifest, Buffer.from(JSON.stringify(manifest)))
  const remote = await push(client, registry.host, source, image)
  expect(files.requests).toEqual([])
  const back = memoryRepository()
  await copyBlob({ source: remote, destination: back }, layer, job)
  expect(back.contents.get(layer.digest)?.equals(bytes)).toBe(true)
  expect(files.requests).toEqual(['GET /layer.tar.gz'])
})
