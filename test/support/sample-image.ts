import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { digestOf, type Job, MEDIA_TYPE } from '../../src/core/index.ts'
import type { Image, Layer } from '../../src/oci/index.ts'

/** A job that nothing stops, and the events that it was given. */
export function recordingJob(signal: AbortSignal = new AbortController().signal) {
  const events: Parameters<Job['emit']>[0][] = []
  return { signal, events, emit: (event: Parameters<Job['emit']>[0]) => void events.push(event) }
}

/** A layer that holds the given files, as the system's tar writes them. */
export function tarLayer(
  files: Readonly<Record<string, string>>,
  compression: 'gzip' | 'uncompressed' = 'gzip',
): Layer {
  const directory = mkdtempSync(join(tmpdir(), 'ossb-layer-'))
  try {
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(join(directory, path, '..'), { recursive: true })
      writeFileSync(join(directory, path), content)
    }
    const tops = [...new Set(Object.keys(files).map((path) => path.split('/')[0] ?? ''))].sort()
    const flags = ['--sort=name', '--mtime=@1700000000', '--owner=0', '--group=0', '--numeric-owner']
    return layerOf(
      execFileSync('tar', ['-C', directory, ...flags, '-cf', '-', ...tops], { maxBuffer: 1 << 28 }),
      compression,
    )
  } finally {
    rmSync(directory, { recursive: true })
  }
}

export function layerOf(tar: Uint8Array, compression: 'gzip' | 'uncompressed' = 'gzip'): Layer {
  const gzip = compression === 'gzip'
  const bytes = gzip ? gzipSync(tar) : tar
  return {
    diffId: digestOf(tar),
    descriptor: {
      mediaType: gzip ? MEDIA_TYPE.ociLayerGzip : MEDIA_TYPE.ociLayer,
      digest: digestOf(bytes),
      size: bytes.length,
    },
    open: async () => Readable.from([bytes]),
  }
}

export function imageOf(layers: readonly Layer[], config: Partial<Image['config']> = {}): Image {
  return {
    platform: { os: 'linux', architecture: 'amd64' },
    layers,
    config: {
      architecture: 'amd64',
      os: 'linux',
      created: '2023-11-14T22:13:20Z',
      config: {
        Env: ['PATH=/bin', 'HTML=<a&b>'],
        Cmd: ['/bin/sh'],
        WorkingDir: '/',
        Labels: { b: '2', a: '1' },
      },
      rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
      history: layers.map((_, at) => ({
        created: '2023-11-14T22:13:20Z',
        created_by: `COPY ${at} / # buildkit`,
      })),
      ...config,
    },
  }
}
