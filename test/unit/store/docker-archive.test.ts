import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { digestHex, digestOf } from '../../../src/core/index.ts'
import { parseManifest } from '../../../src/oci/index.ts'
import { type ArchiveFiles, createDockerArchive } from '../../../src/store/index.ts'
import { recordingJob } from '../../support/registry-image.ts'

function filesOf(files: Readonly<Record<string, Buffer | object>>): ArchiveFiles {
  const bytes = new Map(
    Object.entries(files).map(([name, content]) => [
      name,
      Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content)),
    ]),
  )
  return {
    where: 'image.tar',
    size: (name) => bytes.get(name)?.length,
    read: (name, limit) => bytes.get(name)?.subarray(0, limit),
    open: (name) => Readable.from([bytes.get(name) ?? Buffer.alloc(0)]),
  }
}

const tar = randomBytes(2000)
const zipped = gzipSync(tar)
const zstd = Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), tar])
const configOf = (layers: number) => ({
  os: 'linux',
  architecture: 'amd64',
  rootfs: { type: 'layers', diff_ids: Array.from({ length: layers }, () => digestOf(tar)) },
})
const job = recordingJob()

/** The forms in which tools write one image; all are of the same config, but for the number of layers. */
const FORMS: Readonly<Record<string, Readonly<Record<string, Buffer | object>>>> = {
  'podman and skopeo': {
    'config.json': configOf(1),
    'abc.tar': tar,
    'manifest.json': [{ Config: 'config.json', RepoTags: ['example/app:1'], Layers: ['abc.tar'] }],
    repositories: {},
  },
  'crane and kaniko': {
    'sha256:abc': configOf(1),
    'abc.tar.gz': zipped,
    'manifest.json': [{ Config: 'sha256:abc', RepoTags: ['example/app:1'], Layers: ['abc.tar.gz'] }],
  },
  'a path with "./"': {
    config: configOf(1),
    'id/layer.tar': tar,
    'manifest.json': [{ Config: './config', RepoTags: null, Layers: ['./id/layer.tar'] }],
  },
  'zstd layers': {
    config: configOf(1),
    layer: zstd,
    'manifest.json': [{ Config: 'config', Layers: ['layer'] }],
  },
}

describe('createDockerArchive()', () => {
  test.each(Object.entries(FORMS))('reads the form of %s', async (_name, files) => {
    const archive = createDockerArchive(filesOf(files))
    const root = await archive.resolve('', job)
    const manifest = parseManifest(await buffer(await archive.open(root, job)), 'it')
    expect(await createDockerArchive(filesOf(files)).resolve('', job)).toEqual(root)
    for (const blob of [manifest.config, ...manifest.layers]) {
      expect(await archive.has(blob, job)).toBe(true)
      expect(digestOf(await buffer(await archive.open(blob, job)))).toBe(blob.digest)
    }
    expect(await archive.resolve(root.digest, job)).toEqual(root)
  })

  test('tells how a layer is compressed by its bytes', async () => {
    const archive = createDockerArchive(
      filesOf({
        config: configOf(3),
        a: tar,
        b: zipped,
        c: zstd,
        'manifest.json': [{ Config: 'config', Layers: ['a', 'b', 'c'] }],
      }),
    )
    const root = await archive.resolve('', job)
    const { layers } = parseManifest(await buffer(await archive.open(root, job)), 'it')
    expect(layers.map(({ mediaType }) => mediaType.replace(/.*layer\.v1\./, ''))).toEqual([
      'tar',
      'tar+gzip',
      'tar+zstd',
    ])
  })

  test('does not give out a layer that is not what the config says', async () => {
    const archive = createDockerArchive(
      filesOf({
        config: configOf(1),
        a: randomBytes(2000),
        'manifest.json': [{ Config: 'config', Layers: ['a'] }],
      }),
    )
    const root = await archive.resolve('', job)
    const { layers } = parseManifest(await buffer(await archive.open(root, job)), 'it')
    const [layer] = layers
    if (layer === undefined) throw new Error('no layer')
    await expect(archive.open(layer, job).then(buffer)).rejects.toThrow('its digest is')
  })

  const two = {
    one: configOf(1),
    two: { ...configOf(1), author: 'me' },
    a: tar,
    'manifest.json': [
      { Config: 'one', RepoTags: ['example/app:1', 'example/app:latest'], Layers: ['a'] },
      { Config: 'two', RepoTags: null, Layers: ['a'] },
    ],
  }

  test('chooses an image by name or number, and lists the names where that fails', async () => {
    const archive = createDockerArchive(filesOf(two))
    const first = await archive.resolve('docker.io/example/app:1', job)
    expect(await archive.resolve('@0', job)).toEqual(first)
    expect(await archive.resolve('example/app', job)).toEqual(first)
    expect((await archive.resolve('@1', job)).digest).not.toBe(first.digest)
    for (const name of ['', '@2', 'other'])
      await expect(archive.resolve(name, job)).rejects.toMatchObject({
        code: 'ERR_OSSB_NOT_FOUND',
        hint: 'It holds example/app:1, example/app:latest, @1.',
      })
  })

  test('takes the manifest of an OCI layout in the archive where there is one', async () => {
    const config = Buffer.from(JSON.stringify(configOf(1)))
    const blob = (bytes: Buffer) => `blobs/sha256/${digestHex(digestOf(bytes))}`
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        config: {
          mediaType: 'application/vnd.oci.image.config.v1+json',
          digest: digestOf(config),
          size: config.length,
        },
        layers: [
          { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: digestOf(tar), size: tar.length },
        ],
      }),
    )
    const descriptor = {
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      digest: digestOf(manifest),
      size: manifest.length,
    }
    const archive = createDockerArchive(
      filesOf({
        'oci-layout': { imageLayoutVersion: '1.0.0' },
        'index.json': { schemaVersion: 2, manifests: [descriptor] },
        [blob(config)]: config,
        [blob(tar)]: tar,
        [blob(manifest)]: manifest,
        'manifest.json': [{ Config: blob(config), RepoTags: ['app:1'], Layers: [blob(tar)] }],
      }),
    )
    expect(await archive.resolve('app:1', job)).toEqual(descriptor)
  })

  test.each([
    [{}, 'it has no manifest.json'],
    [{ 'manifest.json': { a: 1 } }, 'is not what "docker save" writes'],
    [{ 'manifest.json': [{ Config: 'x', Layers: [] }] }, 'its config "x" is not there'],
    [
      { config: configOf(2), 'manifest.json': [{ Config: 'config', Layers: ['a'] }] },
      'it has 1 layers and its config names 2',
    ],
    [
      { config: configOf(1), 'manifest.json': [{ Config: 'config', Layers: ['a'] }] },
      'its layer "a" is not there',
    ],
  ])('refuses a damaged archive (%#)', async (files, message) => {
    await expect(createDockerArchive(filesOf(files)).resolve('', job)).rejects.toThrow(message)
  })
})
