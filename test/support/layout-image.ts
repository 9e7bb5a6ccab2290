import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { createCodec } from '../../src/codec/index.ts'
import {
  type Descriptor,
  type DigestAlgorithm,
  digestHex,
  digestOf,
  MEDIA_TYPE,
} from '../../src/core/index.ts'
import { encodeTarHeader, paddingOf } from '../../src/layer/index.ts'
import { tarHeader } from './tar-header.ts'

/** An OCI layout that a test fills by hand. */
export interface HandMadeLayout {
  readonly algorithm: DigestAlgorithm
  put(mediaType: string, content: Buffer | object): Descriptor
  /** Puts descriptors into index.json. */
  finish(entries: readonly (Descriptor & { readonly platform?: object })[]): void
}

export function handMadeLayout(directory: string, algorithm: DigestAlgorithm = 'sha256'): HandMadeLayout {
  const blobs = join(directory, 'blobs', algorithm)
  mkdirSync(blobs, { recursive: true })
  return {
    algorithm,
    put(mediaType, content) {
      const bytes = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content))
      const digest = digestOf(bytes, algorithm)
      writeFileSync(join(blobs, digestHex(digest)), bytes)
      return { mediaType, digest, size: bytes.length }
    },
    finish(manifests) {
      writeFileSync(join(directory, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
      writeFileSync(join(directory, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }))
    },
  }
}

export function named(descriptor: Descriptor, name: string): Descriptor {
  return { ...descriptor, annotations: { 'org.opencontainers.image.ref.name': name } }
}

/** A tar with one file in it. */
export function oneFileTar(path: string, content: string): Buffer {
  const bytes = Buffer.from(content)
  return Buffer.concat([
    encodeTarHeader(tarHeader({ path, type: 'file', size: bytes.length })),
    bytes,
    Buffer.alloc(paddingOf(bytes.length) + 1024),
  ])
}

interface ImageSettings {
  readonly architecture: string
  readonly variant?: string
  readonly layers: readonly ('gzip' | 'zstd' | 'plain')[]
  readonly docker?: boolean
  readonly config?: object
  readonly annotations?: object
}

const TYPES = {
  oci: { gzip: MEDIA_TYPE.ociLayerGzip, zstd: MEDIA_TYPE.ociLayerZstd, plain: MEDIA_TYPE.ociLayer },
  docker: { gzip: MEDIA_TYPE.dockerLayerGzip, zstd: '', plain: MEDIA_TYPE.dockerLayer },
}

/** Puts an image into a layout: each layer is a tar with one file. */
export async function putImage(layout: HandMadeLayout, settings: ImageSettings): Promise<Descriptor> {
  const { architecture, variant, docker = false, annotations } = settings
  const tars = settings.layers.map((_, at) =>
    oneFileTar(`file-${at}`, `${architecture} ${at}\n`.repeat(2000)),
  )
  const layers: Descriptor[] = []
  for (const [at, compression] of settings.layers.entries())
    layers.push(
      layout.put(
        TYPES[docker ? 'docker' : 'oci'][compression],
        await compressed(tars[at] as Buffer, compression),
      ),
    )
  const config = layout.put(docker ? MEDIA_TYPE.dockerConfig : MEDIA_TYPE.ociConfig, {
    architecture,
    os: 'linux',
    ...(variant === undefined ? {} : { variant }),
    config: settings.config ?? {},
    rootfs: { type: 'layers', diff_ids: tars.map((tar) => digestOf(tar, layout.algorithm)) },
    history: [
      ...tars.map((_, at) => ({ created_by: `COPY file-${at} / # test` })),
      { created_by: 'CMD ["run"]', empty_layer: true },
    ],
  })
  const mediaType = docker ? MEDIA_TYPE.dockerManifest : MEDIA_TYPE.ociManifest
  return layout.put(mediaType, {
    schemaVersion: 2,
    mediaType,
    config,
    layers,
    ...(annotations === undefined ? {} : { annotations }),
  })
}

async function compressed(tar: Buffer, compression: 'gzip' | 'zstd' | 'plain'): Promise<Buffer> {
  if (compression === 'plain') return tar
  if (compression === 'gzip') return gzipSync(tar)
  await using codec = createCodec({ workers: 0 })
  const parts: Uint8Array[] = []
  async function* whole() {
    yield tar
  }
  for await (const part of codec.compress(whole(), { type: 'zstd' })) parts.push(part)
  return Buffer.concat(parts)
}

export interface SampleImages {
  readonly amd64: Descriptor
  readonly arm: Descriptor
  /** Of both, and of an attestation about the first. */
  readonly index: Descriptor
  readonly docker: Descriptor
  /** Refers to `amd64`. */
  readonly signature: Descriptor
}

/** A layout with an index `multi` of two platforms (one with a zstd layer), and an image `docker` in Docker's format. */
export async function sampleLayout(directory: string): Promise<SampleImages> {
  const layout = handMadeLayout(directory)
  const config = {
    User: 'app',
    Env: ['A=1', 'B=two words'],
    Entrypoint: ['/bin/run'],
    Cmd: ['one', 'two'],
    WorkingDir: '/srv',
    Labels: { 'org.example.title': 'sample' },
    ExposedPorts: { '80/tcp': {} },
    Volumes: { '/data': {} },
    StopSignal: 'SIGINT',
    Healthcheck: { Test: ['CMD', 'true'], Interval: 30_000_000_000, Retries: 3 },
  }
  const amd64 = await putImage(layout, {
    architecture: 'amd64',
    layers: ['gzip', 'zstd', 'plain'],
    config,
    annotations: { 'org.example.note': 'hello' },
  })
  const arm = await putImage(layout, { architecture: 'arm', variant: 'v7', layers: ['gzip'] })
  const empty = layout.put('application/vnd.oci.empty.v1+json', Buffer.from('{}'))
  const attestation = layout.put(MEDIA_TYPE.ociManifest, {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociManifest,
    config: layout.put(MEDIA_TYPE.ociConfig, {
      architecture: 'unknown',
      os: 'unknown',
      rootfs: { type: 'layers', diff_ids: [] },
    }),
    layers: [layout.put('application/vnd.in-toto+json', { predicate: 'about amd64' })],
  })
  const index = layout.put(MEDIA_TYPE.ociIndex, {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociIndex,
    manifests: [
      { ...amd64, platform: { os: 'linux', architecture: 'amd64' } },
      { ...arm, platform: { os: 'linux', architecture: 'arm', variant: 'v7' } },
      {
        ...attestation,
        annotations: {
          'vnd.docker.reference.type': 'attestation-manifest',
          'vnd.docker.reference.digest': amd64.digest,
        },
        platform: { os: 'unknown', architecture: 'unknown' },
      },
    ],
    annotations: { 'org.example.index': 'yes' },
  })
  const docker = await putImage(layout, { architecture: 'amd64', layers: ['gzip', 'gzip'], docker: true })
  const signature = layout.put(MEDIA_TYPE.ociManifest, {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociManifest,
    artifactType: 'application/vnd.example.signature',
    config: empty,
    layers: [layout.put('application/vnd.example.signature', Buffer.from('signed'))],
    subject: amd64,
  })
  layout.finish([named(index, 'multi'), named(docker, 'docker'), signature])
  return { amd64, arm, index, docker, signature }
}

/** Names and digests in the index of a layout. */
export function layoutNames(directory: string): Readonly<Record<string, string>> {
  const { manifests } = JSON.parse(readFileSync(join(directory, 'index.json'), 'utf8')) as {
    readonly manifests: readonly Descriptor[]
  }
  return Object.fromEntries(
    manifests.map(({ annotations, digest }) => [
      annotations?.['org.opencontainers.image.ref.name'] ?? '',
      digest,
    ]),
  )
}
