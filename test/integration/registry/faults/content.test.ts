import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { createCodec } from '../../../../src/codec/index.ts'
import { type Descriptor, digestOf, MEDIA_TYPE, parsePlatform } from '../../../../src/core/index.ts'
import { copy, copyBlob } from '../../../../src/registry/index.ts'
import { createCopySnapshotter } from '../../../../src/snapshot/index.ts'
import { createImageProvider } from '../../../../src/solver/image-provider.ts'
import { createOciLayout, openWorkspace, storePaths } from '../../../../src/store/index.ts'
import { BLOB, blob, busy, expectNoSecret, GET_BLOB, lab, pullIntoStore } from '../../../support/fault-lab.ts'
import type { FaultRow } from '../../../support/fault-registry.ts'
import { archive, fileSession, HELPER, IDLE, newDirectory } from '../../../support/layer-files.ts'
import { addImage, memoryRepository, recordingJob } from '../../../support/registry-image.ts'

/** A registry that has this text under the tag v1. */
async function withManifest(mediaType: string, content: string | Buffer, faults: readonly FaultRow[] = []) {
  const made = await lab(faults)
  made.registry.manifests.set('r/x:v1', { mediaType, bytes: Buffer.from(content) })
  return made
}

/** A registry that has an image of these layers under v1, and perhaps not the layers. */
async function withImage(layers: readonly object[], blobs: readonly Buffer[] = []) {
  const config = Buffer.from(
    JSON.stringify({ os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: [] } }),
  )
  const manifest = {
    schemaVersion: 2,
    config: { mediaType: MEDIA_TYPE.ociConfig, digest: digestOf(config), size: config.length },
    layers,
  }
  const made = await withManifest(MEDIA_TYPE.ociManifest, JSON.stringify(manifest))
  const bytes = made.registry.manifests.get('r/x:v1')
  if (bytes !== undefined) made.registry.manifests.set(digestOf(bytes.bytes), bytes)
  for (const content of [config, ...blobs]) made.registry.blobs.set(digestOf(content), content)
  return made
}

const MINIMAL = `{"schemaVersion":2,"config":{"mediaType":"${MEDIA_TYPE.ociConfig}","digest":"${digestOf('{}')}","size":2},"layers":[]}`

describe('E1 a manifest of schema 1', () => {
  test.each([
    ['plain', 'application/vnd.docker.distribution.manifest.v1+json'],
    ['signed', 'application/vnd.docker.distribution.manifest.v1+prettyjws'],
    ['called a text', 'text/plain; charset=utf-8'],
  ])('%s is refused, and the hint says what to do', async (_name, type) => {
    const made = await withManifest(type, '{"schemaVersion":1,"fsLayers":[],"signatures":[]}')
    await expect(made.remote.resolve('v1', made.job)).rejects.toMatchObject({
      code: 'ERR_OSSB_IMAGE_INVALID',
      message: expect.stringContaining('it is of schema 1, which is no longer supported'),
      hint: expect.stringContaining('Rebuild or re-push the image'),
    })
  })
})

test.each([
  ['no Content-Type', ''],
  ['a wrong one', 'application/json'],
  ['one with a charset', `${MEDIA_TYPE.ociManifest}; charset=utf-8`],
])('E2 a manifest with %s is what it looks like', async (_name, type) => {
  const made = await withManifest(type, MINIMAL)
  expect(await made.remote.resolve('v1', made.job)).toEqual({
    mediaType: MEDIA_TYPE.ociManifest,
    digest: digestOf(MINIMAL),
    size: MINIMAL.length,
  })
})

describe('E3 a manifest', () => {
  test('of 5 MiB is taken', async () => {
    const large = MINIMAL.replace('"layers"', `"annotations":{"a":"${'x'.repeat(5 * 1024 * 1024)}"},"layers"`)
    const made = await withManifest('', large)
    expect(await made.remote.resolve('v1', made.job)).toMatchObject({ size: large.length })
  })

  test('of 200 MiB is given up at 8 MiB, and its connection with it', async () => {
    let sent = 0
    const endless: FaultRow = {
      method: 'GET',
      path: /manifests/,
      answer: {
        type: 'custom',
        answer: ({ response }) => {
          const chunks = Readable.from(
            (function* () {
              for (; sent < 200; sent += 1) yield Buffer.alloc(1024 * 1024, ' ')
            })(),
          )
          response.writeHead(200)
          chunks.pipe(response)
        },
      },
    }
    const made = await withManifest('', MINIMAL, [endless])
    await expect(made.remote.resolve('v1', made.job)).rejects.toMatchObject({
      message: expect.stringMatching(
        /^Cannot read the answer of 127\.0\.0\.1:\d+: it has more than 8388608 bytes$/,
      ),
    })
    expect(sent).toBeLessThan(100)
  })

  test.each([
    ['nested without end', '['.repeat(4_000_000)],
    ['nested deep', `${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}`],
    ['that is an array', '[]'],
    ['that is no JSON', '<html>'],
  ])('%s is refused', async (_name, text) => {
    const made = await withManifest('text/html', text)
    await expect(made.remote.resolve('v1', made.job)).rejects.toMatchObject({
      code: 'ERR_OSSB_IMAGE_INVALID',
      message: expect.stringContaining('it is neither a manifest nor an index'),
    })
  })
})

describe('E5 a layer', () => {
  // Of whoever runs the test: nobody else may give files away.
  const own = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
  const TAR = archive({ path: 'a', content: 'one', ...own })

  /** Unpacks bytes that are labelled as a gzip layer of `TAR`. */
  async function unpack(bytes: Buffer, diffId = digestOf(TAR)): Promise<string[]> {
    const paths = storePaths(join(newDirectory(), 'cache'))
    const session = fileSession()
    await using workspace = await openWorkspace(paths, session, IDLE)
    await using codec = createCodec({ workers: 0 })
    const snapshotter = createCopySnapshotter({ paths, workspace, helper: HELPER, session, codec })
    const descriptor = { mediaType: MEDIA_TYPE.ociLayerGzip, digest: digestOf(bytes), size: bytes.length }
    const layer = { diffId, descriptor, open: () => Promise.resolve(Readable.from([bytes])) }
    const { rootfs } = await snapshotter.view([layer], IDLE)
    return readdirSync(rootfs)
  }

  async function zstd(bytes: Buffer): Promise<Buffer> {
    await using codec = createCodec({ workers: 0 })
    const parts: Uint8Array[] = []
    for await (const part of codec.compress(Readable.from([bytes]), { type: 'zstd' })) parts.push(part)
    return Buffer.concat(parts)
  }

  test.each<readonly [string, () => Buffer | Promise<Buffer>]>([
    ['zstd labelled as gzip', () => zstd(TAR)],
    ['as it is, labelled as gzip', () => TAR],
    [
      'of several gzip members',
      () => Buffer.concat([gzipSync(TAR.subarray(0, 700)), gzipSync(TAR.subarray(700))]),
    ],
    ['with zeros after its end', () => Buffer.concat([gzipSync(TAR), Buffer.alloc(512)])],
  ])('%s is unpacked as what it is', async (_name, bytes) => {
    expect(await unpack(await bytes())).toEqual(['a'])
  })

  test.each([
    [
      'with something else after its end',
      Buffer.concat([gzipSync(TAR), Buffer.from('tail')]),
      'Cannot decompress the gzip data',
    ],
    ['that ends in its middle', gzipSync(TAR).subarray(0, 60), 'Cannot decompress the gzip data'],
    [
      'with another content than the config says',
      gzipSync(archive({ path: 'b', ...own })),
      'but the image config says',
    ],
    [
      'with more behind the end of its archive',
      gzipSync(Buffer.concat([TAR, Buffer.from('more')])),
      'but the image config says',
    ],
  ])('%s is refused', async (_name, bytes, why) => {
    await expect(unpack(bytes)).rejects.toThrow(why)
  })

  test('too many or too few for the config is refused', async () => {
    const made = await withImage([blob], [BLOB])
    const store = createOciLayout(newDirectory())
    const images = createImageProvider({ store, repository: () => made.remote, archive: noArchive })
    const reference = `${made.host}/r/x:v1`
    const { manifest } = await images.resolve(reference, parsePlatform('linux/amd64'), made.job)
    const op = { type: 'image', reference, manifest, platform: parsePlatform('linux/amd64') } as never
    await expect(images.layers(op, made.job)).rejects.toMatchObject({
      code: 'ERR_OSSB_IMAGE_INVALID',
      message: `Cannot use "${reference}": its manifest has 1 layers, its config 0`,
    })
  })
})

const noArchive = () => Promise.reject(new Error('there is no archive'))

describe('E6 a foreign layer', () => {
  const foreign = (...urls: string[]): Descriptor => ({
    ...blob,
    mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
    urls,
  })
  const PATH = `/v2/r/x/blobs/${blob.digest}`

  async function pull(made: Awaited<ReturnType<typeof lab>>, layer: Descriptor) {
    const directory = newDirectory()
    const source = made.remote
    const error: unknown = await copyBlob(
      { source, destination: createOciLayout(directory) },
      layer,
      made.job,
    ).catch((thrown: unknown) => thrown)
    const kept = readdirSync(join(storePaths(directory).blobs, 'sha256'))
    if (error === undefined)
      expect(readFileSync(storePaths(directory).blob(blob.digest)).equals(BLOB)).toBe(true)
    else expect(kept).toEqual([])
    expectNoSecret([error, made.job.events], ['opensesame'])
    return error
  }

  test('is had from the registry, if that has it', async () => {
    const made = await lab([])
    made.registry.blobs.set(blob.digest, BLOB)
    expect(await pull(made, foreign('http://127.0.0.1:1/gone'))).toBeUndefined()
  })

  test('is else had from where it says, without credentials, and resumed there', async () => {
    const place = await lab([{ ...GET_BLOB, times: 1, answer: { type: 'cut', after: 100_000 } }])
    place.registry.blobs.set(blob.digest, BLOB)
    const made = await lab(
      [{ ...GET_BLOB, times: 1, answer: busy(401, { 'www-authenticate': 'Basic realm="x"' }) }],
      {
        auth: 'alice:opensesame',
      },
    )
    const url = `http://mallory:opensesame@${place.host}${PATH}`
    expect(await pull(made, foreign('http://127.0.0.1:1/gone', url))).toBeUndefined()
    expect(made.lines('GET').at(-1)).toBe('/v2/r/x/blobs/D')
    expect(place.registry.seen.map(({ authorization, range }) => [authorization, range])).toEqual([
      [undefined, undefined],
      [undefined, 'bytes=100000-399999'],
    ])
  })

  test('is not had from where no server may send us', async () => {
    const made = await lab([])
    const layer = foreign(
      'file:///etc/passwd',
      'http://169.254.169.254/latest',
      'http://[fe80::1]/',
      'nowhere',
    )
    expect(await pull(made, layer)).toMatchObject({
      code: 'ERR_OSSB_NOT_FOUND',
      message: expect.stringMatching(
        /404 BLOB_UNKNOWN .*; and from where its descriptor says neither: file:\/\/\/etc\/passwd: "file:" is not followed; http:\/\/169\.254\.169\.254\/latest: it leads to a link-local or metadata address; http:\/\/\[fe80::1\]\/: it leads to a link-local or metadata address; "nowhere": it is not a URL$/,
      ),
    })
    expect(made.clock.slept).toEqual([])
  })

  test('with another content than its digest is refused', async () => {
    const place = await lab([{ ...GET_BLOB, answer: { type: 'flip', at: 5 } }])
    place.registry.blobs.set(blob.digest, BLOB)
    expect(await pull(await lab([]), foreign(`http://${place.host}${PATH}`))).toMatchObject({
      code: 'ERR_OSSB_INTEGRITY',
    })
  })
})

describe('E7 content with digests of SHA-512', () => {
  const inSha512 = () => {
    const layer = { mediaType: MEDIA_TYPE.ociLayerGzip, digest: digestOf(BLOB, 'sha512'), size: BLOB.length }
    const config = Buffer.from(
      JSON.stringify({ os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: [] } }),
    )
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MEDIA_TYPE.ociManifest,
        config: {
          mediaType: MEDIA_TYPE.ociConfig,
          digest: digestOf(config, 'sha512'),
          size: config.length,
        },
        layers: [layer],
      }),
    )
    const root: Descriptor = {
      mediaType: MEDIA_TYPE.ociManifest,
      digest: digestOf(manifest, 'sha512'),
      size: manifest.length,
    }
    return { layer, config, manifest, root }
  }

  test('is pushed and pulled by them, manifests too, though the registry goes by SHA-256', async () => {
    const { layer, config, manifest, root } = inSha512()
    const directory = newDirectory()
    const store = createOciLayout(directory)
    const source = memoryRepository()
    source.contents.set(root.digest, manifest)
    source.contents.set(layer.digest, BLOB)
    source.contents.set(digestOf(config, 'sha512'), config)
    const made = await lab([])
    await copy(source, made.remote, root, made.job)
    await made.remote.tag(root, 'v1', made.job)
    expect((await made.remote.resolve(root.digest, made.job)).digest).toBe(root.digest)
    await copy(made.remote, store, root, made.job)
    await store.tag(root, 'v1', made.job)
    const kept = readdirSync(join(directory, 'blobs', 'sha512'))
    expect(kept.sort()).toEqual([...source.contents.keys()].map((one) => one.slice('sha512:'.length)).sort())
    expect(await store.resolve('v1', made.job)).toMatchObject(root)
    // What comes by tag has the registry's own digest.
    expect((await made.remote.resolve('v1', made.job)).digest).toBe(digestOf(manifest))
  })

  test('is refused when it is not what they say, and nothing of it is kept', async () => {
    const { layer, config, manifest, root } = inSha512()
    const made = await lab([{ method: 'GET', path: /\/blobs\/sha512/, answer: { type: 'flip', at: 7 } }])
    made.registry.manifests.set(root.digest, { mediaType: root.mediaType, bytes: manifest })
    made.registry.blobs.set(layer.digest, BLOB).set(digestOf(config, 'sha512'), config)
    const directory = newDirectory()
    const store = createOciLayout(directory)
    await expect(
      copyBlob({ source: made.remote, destination: store }, layer, made.job),
    ).rejects.toMatchObject({
      code: 'ERR_OSSB_INTEGRITY',
      message: expect.stringMatching(/^Cannot use sha512:\w{128} from .*: its digest is sha512:\w{128}$/),
    })
    expect(readdirSync(join(directory, 'blobs', 'sha512'))).toEqual([])
    made.registry.heal()
    await copy(made.remote, store, root, made.job)
    expect(readFileSync(storePaths(directory).blob(layer.digest)).equals(BLOB)).toBe(true)
  })
})

test.each([
  ['in capitals', `SHA256:${'a'.repeat(64)}`],
  ['that is short', `sha256:${'a'.repeat(63)}`],
  ['that is a path', 'sha256:../../../../etc/passwd'],
])('E7 a digest %s is refused before anything is asked for by it', async (_name, digest) => {
  const made = await withImage([{ ...blob, digest }])
  const back = memoryRepository()
  await expect(
    made.remote.resolve('v1', made.job).then((root) => copy(made.remote, back, root, made.job)),
  ).rejects.toMatchObject({
    code: 'ERR_OSSB_IMAGE_INVALID',
    message: expect.stringMatching(/member "layers\.0\.digest": not a digest of SHA-256 or SHA-512$/),
  })
  expect(back.contents.size).toBe(0)
  expect(made.lines('GET').filter((line) => line.includes('/blobs/'))).toEqual([])
})

test.each([
  ['without digest', 200, { 'content-type': MEDIA_TYPE.ociManifest, 'content-length': '17' }],
  ['without length', 200, { 'content-type': MEDIA_TYPE.ociManifest, 'docker-content-digest': digestOf('x') }],
  ['without type', 200, { 'content-length': '17', 'docker-content-digest': digestOf('x') }],
  ['with 403', 403, {}],
  ['with 405', 405, {}],
])('E8 a HEAD answered %s is followed by a GET', async (_name, status, headers) => {
  const made = await withManifest(MEDIA_TYPE.ociManifest, MINIMAL, [
    { method: 'HEAD', path: /manifests/, answer: busy(status, headers) },
  ])
  expect(await made.remote.resolve('v1', made.job)).toMatchObject({ digest: digestOf(MINIMAL) })
  expect(made.lines('GET')).toContain('/v2/r/x/manifests/v1')
})

test('E9 what a registry warns of is told once, and only what it means for users', async () => {
  const told = '299 - "Moves to r.io \\"soon\\"."'
  const warning = `${told}, ${told}, 110 - "Response is Stale", 299 proxy "not for you"`
  const spoken: FaultRow = {
    ...GET_BLOB,
    answer: {
      type: 'custom',
      answer: ({ response, content }) => response.writeHead(200, { warning }).end(content),
    },
  }
  const made = await lab([spoken])
  const source = memoryRepository()
  const image = addImage(
    source,
    Array.from({ length: 16 }, (_, at) => at + 1),
  )
  await copy(source, made.remote, image, recordingJob())
  await copy(made.remote, memoryRepository(), image, made.job)
  expect(made.job.events.filter((event) => event.type === 'warning')).toEqual([
    { type: 'warning', rule: 'RegistryWarning', message: `${made.host} says: Moves to r.io "soon".` },
  ])
  expect(await pullIntoStore(made)).toBeUndefined()
})
