import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { onTestFinished } from 'vitest'
import { type Descriptor, digestOf, MEDIA_TYPE } from '../../src/core/index.ts'
import { type Clock, readAll } from '../../src/io/index.ts'
import type { Repository } from '../../src/oci/index.ts'
import { createRegistryClient } from '../../src/registry/index.ts'
import { type FaultRegistry, type FaultRow, startFaultRegistry } from './fault-registry.ts'
import { recordingJob } from './registry-image.ts'

/** Time that passes only by being slept. */
export function fakeClock(): Clock & { readonly slept: number[] } {
  let now = 1_000_000
  const slept: number[] = []
  return {
    slept,
    now: () => now,
    random: () => 0.5,
    sleep: (ms) => {
      slept.push(ms)
      now += ms
      return Promise.resolve()
    },
  }
}

export const BLOB: Buffer = randomBytes(400_000)
export const blob: Descriptor = {
  mediaType: MEDIA_TYPE.ociLayerGzip,
  digest: digestOf(BLOB),
  size: BLOB.length,
}
export const openBytes = (): Promise<Readable> => Promise.resolve(Readable.from([BLOB]))

/** A registry that goes wrong, and a client of it. */
export interface FaultLab {
  readonly registry: FaultRegistry
  readonly remote: Repository
  readonly clock: ReturnType<typeof fakeClock>
  readonly job: ReturnType<typeof recordingJob>
  readonly read: () => Promise<Buffer>
  readonly lines: (method: string) => string[]
}

/** Lasts until the end of the test. */
export async function lab(
  faults: readonly FaultRow[],
  options: {
    location?: (path: string, host: string) => string | undefined
    auth?: string
    stallMs?: number
  } = {},
): Promise<FaultLab> {
  const registry = await startFaultRegistry({
    faults,
    ...(options.location === undefined ? {} : { location: options.location }),
  })
  const clock = fakeClock()
  const job = recordingJob()
  const auth = Buffer.from(options.auth ?? '').toString('base64')
  const client = createRegistryClient({
    insecureRegistries: [],
    environment:
      options.auth === undefined
        ? { HOME: '/nonexistent' }
        : { DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { [registry.host]: { auth } } }) },
    clock,
    stallMs: options.stallMs ?? 5000,
  })
  const remote = client.repository({ registry: registry.host, repository: 'r/x' })
  const made: FaultLab = {
    registry,
    remote,
    clock,
    job,
    read: async () => readAll(await remote.open(blob, job), 10_000_000, 'blob'),
    lines: (method) =>
      registry.seen
        .filter((one) => one.method === method)
        .map((one) => `${one.path.replace(/sha256:\w+/, 'D')} ${one.range ?? ''}`.trim()),
  }
  onTestFinished(async () => {
    await client[Symbol.asyncDispose]()
    await registry.stop()
  })
  return made
}

export const GET_BLOB = { method: 'GET', path: /\/blobs\/sha256/ } as const
export const PUT_BLOB = { method: 'PUT', path: /\/blobs\/uploads/ } as const
export const busy = (status: number, headers: Readonly<Record<string, string>> = {}) =>
  ({ type: 'status', status, headers, body: '' }) as const
