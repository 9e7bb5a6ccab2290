import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { afterEach } from 'vitest'
import { type Descriptor, digestOf, MEDIA_TYPE } from '../../src/core/index.ts'
import type { Clock } from '../../src/io/index.ts'
import { createRegistryClient, type RegistryClient } from '../../src/registry/index.ts'
import { recordingJob } from './registry-image.ts'
import { startUploadRegistry, type UploadRegistry, type UploadRegistryOptions } from './upload-registry.ts'

/** Time that passes only by being slept. */
export function sleeplessClock(): Clock & { readonly slept: number[] } {
  let now = 1_000_000
  const slept: number[] = []
  return {
    slept,
    now: () => now,
    random: () => 0.5,
    sleep: (ms, signal) => {
      signal.throwIfAborted()
      slept.push(ms)
      now += ms
      return Promise.resolve()
    },
  }
}

export type PushLab = Awaited<ReturnType<typeof pushLab>>

interface LabOptions extends UploadRegistryOptions {
  readonly stallMs?: number
  readonly commitMs?: number
  readonly chunkBytes?: number
  readonly auth?: string
}

const endings: (() => Promise<unknown>)[] = []

/** Ends the labs of a test; to be called once in a file that uses them. */
export function endLabs(): void {
  afterEach(async () => {
    for (const end of endings.splice(0).reverse()) await end()
  })
}

/** A registry that goes wrong, and a client of it that never waits. */
export async function pushLab(options: LabOptions = {}) {
  const registry: UploadRegistry = await startUploadRegistry(options)
  endings.push(() => registry.stop())
  const clock = sleeplessClock()
  const auth = Buffer.from(options.auth ?? '').toString('base64')
  const client: RegistryClient = createRegistryClient({
    insecureRegistries: [],
    environment:
      options.auth === undefined
        ? { HOME: '/nonexistent' }
        : { DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { [registry.host]: { auth } } }) },
    clock,
    stallMs: options.stallMs ?? 5000,
    ...(options.commitMs === undefined ? {} : { commitMs: options.commitMs }),
    ...(options.chunkBytes === undefined ? {} : { chunkBytes: options.chunkBytes }),
  })
  let isOpen = true
  const close = async () => {
    if (isOpen) await client[Symbol.asyncDispose]()
    isOpen = false
  }
  endings.push(close)
  const job = recordingJob()
  const repository = (name: string, mountFrom?: string) =>
    client.repository(
      { registry: registry.host, repository: name },
      mountFrom === undefined ? {} : { mountFrom: () => `${registry.host}/${mountFrom}` },
    )
  return {
    registry,
    client,
    clock,
    job,
    close,
    repository,
    remote: repository('r/x'),
    has: (blob: Descriptor, name = 'r/x') => registry.content.blobs.has(`${name} ${blob.digest}`),
    /** Bytes of bodies to uploads that reached the registry. */
    sent: () =>
      registry.seen
        .filter(({ path }) => path.includes('/blobs/uploads/'))
        .reduce((sum, { bytes }) => sum + bytes, 0),
  }
}

export interface SampleBlob {
  readonly blob: Descriptor
  readonly bytes: Buffer
  readonly open: () => Promise<Readable>
}

/** A blob that is read in pieces of 64 KiB. */
export function sampleBlob(content: number | Buffer): SampleBlob {
  const bytes = typeof content === 'number' ? randomBytes(content) : content
  const blob: Descriptor = { mediaType: MEDIA_TYPE.ociLayerGzip, digest: digestOf(bytes), size: bytes.length }
  const pieces = Array.from({ length: Math.ceil(bytes.length / 65_536) }, (_, at) =>
    bytes.subarray(at * 65_536, (at + 1) * 65_536),
  )
  return { blob, bytes, open: () => Promise.resolve(Readable.from(pieces)) }
}
