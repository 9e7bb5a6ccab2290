import { describe, expect, test } from 'vitest'
import { digestOf, MEDIA_TYPE } from '../../../src/core/index.ts'
import {
  assembleImage,
  assembleIndexOf,
  type Image,
  type Layer,
  parseImageConfig,
  parseManifest,
} from '../../../src/oci/index.ts'

const layer = (name: string, mediaType: string): Layer => ({
  diffId: digestOf(name),
  descriptor: { mediaType, digest: digestOf(`${name} compressed`), size: name.length },
  open: () => Promise.reject(new Error('not needed')),
})

const imageOf = (layers: readonly Layer[], config: Partial<Image['config']> = {}): Image => ({
  platform: { os: 'linux', architecture: 'arm', variant: 'v7' },
  layers,
  config: {
    os: 'linux',
    architecture: 'arm',
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    ...config,
  },
})

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()

describe('assembleImage()', () => {
  test('writes the config compact, in order, without empty members and with escaped HTML', () => {
    const config = {
      variant: 'v7',
      author: '',
      created: '2020-01-01T00:00:00Z',
      history: [
        {
          empty_layer: false,
          comment: 'c',
          created_by: 'RUN a && b > c\u2028',
          created: '2020-01-01T00:00:00Z',
        },
      ],
      config: {
        Shell: ['/bin/sh', '-c'],
        OnBuild: [],
        Healthcheck: { Retries: 3, Interval: 5_000_000_000, Timeout: 0, Test: ['CMD', 'true'] },
        ArgsEscaped: false,
        StopSignal: 'SIGTERM',
        Labels: { z: '1', a: '<2>' },
        WorkingDir: '/',
        Volumes: { '/b': {}, '/a': {} },
        Cmd: ['sh'],
        Entrypoint: [],
        Env: ['A=1'],
        ExposedPorts: { '80/tcp': {}, '443/tcp': {} },
        User: '',
      },
    }
    const { bytes } = assembleImage(imageOf([layer('one', MEDIA_TYPE.ociLayer)], config), {
      format: 'oci',
    }).config
    expect(text(bytes)).toMatchInlineSnapshot(
      `"{"architecture":"arm","config":{"ExposedPorts":{"443/tcp":{},"80/tcp":{}},"Env":["A=1"],"Cmd":["sh"],"Volumes":{"/a":{},"/b":{}},"WorkingDir":"/","Labels":{"a":"\\u003c2\\u003e","z":"1"},"StopSignal":"SIGTERM","Healthcheck":{"Test":["CMD","true"],"Interval":5000000000,"Retries":3},"Shell":["/bin/sh","-c"]},"created":"2020-01-01T00:00:00Z","history":[{"created":"2020-01-01T00:00:00Z","created_by":"RUN a \\u0026\\u0026 b \\u003e c\\u2028","comment":"c"}],"os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"]},"variant":"v7"}"`,
    )
    expect(parseImageConfig(bytes, 'config').config?.Labels).toEqual({ a: '<2>', z: '1' })
  })

  test('writes every member in its place, and none that it does not know', () => {
    const config = {
      variant: 'v7',
      rootfs: { type: 'layers', diff_ids: [] },
      'os.features': ['f'],
      'os.version': '1',
      os: 'linux',
      history: [{ empty_layer: true, comment: 'c', author: 'a', created_by: 'b', more: 1 }],
      created: '2020-01-01T00:00:00Z',
      config: {
        Shell: ['s'],
        OnBuild: ['RUN x'],
        Healthcheck: {
          Retries: 1,
          StartInterval: 4,
          StartPeriod: 3,
          Timeout: 2,
          Interval: 1,
          Test: ['NONE'],
        },
        ArgsEscaped: true,
        StopSignal: '9',
        Labels: { l: 'l' },
        WorkingDir: '/w',
        Volumes: { '/v': {} },
        Cmd: ['c'],
        Entrypoint: ['e'],
        Env: ['A=1'],
        ExposedPorts: { '1/tcp': {} },
        User: 'u',
        MacAddress: '00:00:00:00:00:00',
      },
      author: 'me',
      architecture: 'arm',
      container: 'id',
    }
    const parsed = parseImageConfig(Buffer.from(JSON.stringify(config)), 'config')
    const { bytes } = assembleImage(imageOf([], parsed), { format: 'oci' }).config
    expect(text(bytes)).toMatchInlineSnapshot(
      `"{"architecture":"arm","author":"me","config":{"User":"u","ExposedPorts":{"1/tcp":{}},"Env":["A=1"],"Entrypoint":["e"],"Cmd":["c"],"Volumes":{"/v":{}},"WorkingDir":"/w","Labels":{"l":"l"},"StopSignal":"9","ArgsEscaped":true,"Healthcheck":{"Test":["NONE"],"Interval":1,"Timeout":2,"StartPeriod":3,"StartInterval":4,"Retries":1},"OnBuild":["RUN x"],"Shell":["s"]},"created":"2020-01-01T00:00:00Z","history":[{"created_by":"b","author":"a","comment":"c","empty_layer":true}],"os":"linux","os.version":"1","os.features":["f"],"rootfs":{"type":"layers","diff_ids":[]},"variant":"v7"}"`,
    )
  })

  test('writes an image without layers with empty arrays', () => {
    const { config, manifest } = assembleImage(imageOf([]), { format: 'oci' })
    expect(text(config.bytes)).toBe(
      '{"architecture":"arm","config":{},"os":"linux","rootfs":{"type":"layers","diff_ids":[]}}',
    )
    expect(text(manifest.bytes)).toMatch(/"layers": \[\]\n}$/)
  })

  test('writes the manifest indented by two blanks, with annotations last', () => {
    const { manifest } = assembleImage(imageOf([layer('one', MEDIA_TYPE.dockerLayerGzip)]), {
      format: 'oci',
      annotations: { 'org.example': 'a & b' },
    })
    expect(text(manifest.bytes)).toMatchInlineSnapshot(`
      "{
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
          "mediaType": "application/vnd.oci.image.config.v1+json",
          "digest": "sha256:501b63f572b62e4072d88ec37f17d61a48a743679844cf98eb2f3dfb686a5eeb",
          "size": 161
        },
        "layers": [
          {
            "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
            "digest": "sha256:d60545c6ed4cacdec9537938fdd6c339c69de3851c27f2a100addbfe3a16399b",
            "size": 3
          }
        ],
        "annotations": {
          "org.example": "a \\u0026 b"
        }
      }"
    `)
    expect(manifest.descriptor).toEqual({
      mediaType: MEDIA_TYPE.ociManifest,
      digest: digestOf(manifest.bytes),
      size: manifest.bytes.length,
    })
  })

  test('keeps all media types in one family, whatever the base image used', () => {
    const image = imageOf([layer('base', MEDIA_TYPE.dockerLayerGzip), layer('new', MEDIA_TYPE.ociLayer)])
    const typesOf = (format: 'oci' | 'docker') => {
      const { mediaType, config, layers } = parseManifest(
        assembleImage(image, { format }).manifest.bytes,
        'manifest',
      )
      return [mediaType, config.mediaType, ...layers.map((entry) => entry.mediaType)]
    }
    expect(typesOf('oci')).toEqual([
      MEDIA_TYPE.ociManifest,
      MEDIA_TYPE.ociConfig,
      MEDIA_TYPE.ociLayerGzip,
      MEDIA_TYPE.ociLayer,
    ])
    expect(typesOf('docker')).toEqual([
      MEDIA_TYPE.dockerManifest,
      MEDIA_TYPE.dockerConfig,
      MEDIA_TYPE.dockerLayerGzip,
      MEDIA_TYPE.dockerLayer,
    ])
  })

  test('gives the same config bytes in both formats', () => {
    const image = imageOf([layer('one', MEDIA_TYPE.ociLayerGzip)])
    expect(assembleImage(image, { format: 'docker' }).config.descriptor.digest).toBe(
      assembleImage(image, { format: 'oci' }).config.descriptor.digest,
    )
  })

  test.each([MEDIA_TYPE.ociLayerZstd, 'application/vnd.docker.image.rootfs.diff.tar.zstd'])(
    'refuses the layer type %s in a Docker manifest',
    (mediaType) => {
      expect(() => assembleImage(imageOf([layer('one', mediaType)]), { format: 'docker' })).toThrow(
        /Docker's format has no name for ".*zstd"/,
      )
    },
  )

  test('refuses annotations in a Docker manifest', () => {
    expect(() => assembleImage(imageOf([]), { format: 'docker', annotations: { a: 'b' } })).toThrow(
      'Cannot write annotations: Docker manifests have none',
    )
  })

  test.each([
    ['too few diff_ids', []],
    ['another diff_id', [digestOf('two')]],
    ['too many diff_ids', [digestOf('one'), digestOf('two')]],
  ])('refuses an image whose config has %s', (_, diffIds) => {
    const image = imageOf([layer('one', MEDIA_TYPE.ociLayer)], {
      rootfs: { type: 'layers', diff_ids: diffIds },
    })
    expect(() => assembleImage(image, { format: 'oci' })).toThrow(/Cannot write the manifest of an image/)
  })
})

test('assembleIndexOf() keeps the order of the manifests and names their platforms', () => {
  const { manifest } = assembleImage(imageOf([]), { format: 'oci' })
  const index = assembleIndexOf(
    [
      { ...manifest.descriptor, platform: { os: 'linux', architecture: 'arm64' } },
      { ...manifest.descriptor, platform: { os: 'linux', architecture: 'amd64' } },
    ],
    { format: 'oci' },
  )
  expect(index.descriptor.mediaType).toBe(MEDIA_TYPE.ociIndex)
  expect(JSON.parse(text(index.bytes))).toEqual({
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociIndex,
    manifests: [
      { ...manifest.descriptor, platform: { os: 'linux', architecture: 'arm64' } },
      { ...manifest.descriptor, platform: { os: 'linux', architecture: 'amd64' } },
    ],
  })
})
