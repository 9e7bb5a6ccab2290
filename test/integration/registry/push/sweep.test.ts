import { expect, test } from 'vitest'
import { digestOf } from '../../../../src/core/index.ts'
import { createRegistryExporter } from '../../../../src/exporters/index.ts'
import type { Layer } from '../../../../src/oci/index.ts'
import { copy, createRegistryClient } from '../../../../src/registry/index.ts'
import { sampleBlob, sleeplessClock } from '../../../support/push-lab.ts'
import { memoryRepository, recordingJob } from '../../../support/registry-image.ts'
import { imageOf, layerOf } from '../../../support/sample-image.ts'
import { startUploadRegistry, type UploadFault, type UploadRule } from '../../../support/upload-registry.ts'

const [small, large] = [30_000, 200_000].map((size) => layerOf(sampleBlob(size).bytes, 'uncompressed'))

interface Way {
  readonly way: string
  readonly repositories: readonly string[]
  readonly layers: readonly Layer[]
  /** Send blobs in chunks of so many bytes. */
  readonly chunkBytes?: number
}

interface Trip extends Way {
  readonly fault?: (challenge: Readonly<Record<string, string>>) => UploadFault
  /** The request that it strikes. */
  readonly at?: number
}

/**
 * The reference: asks whether a push is allowed, logs in for a token, pushes an image and pulls it again. Gives the number of requests and the digest.
 */
async function trip({
  repositories,
  layers,
  chunkBytes,
  fault,
  at = 0,
}: Trip): Promise<{ requests: number; digest: string }> {
  const registry = await startUploadRegistry()
  const challenge = { 'www-authenticate': `Bearer realm="http://${registry.host}/token",service="s"` }
  const first: UploadRule = {
    method: 'POST',
    times: 1,
    fault: { type: 'status', status: 401, headers: challenge },
  }
  if (fault !== undefined)
    registry.strike({ method: '*', path: /^\/v2/, skip: at, times: 1, fault: fault(challenge) })
  registry.strike(first)
  const client = createRegistryClient({
    insecureRegistries: [],
    environment: { HOME: '/nonexistent' },
    clock: sleeplessClock(),
    stallMs: 900,
    commitMs: 900,
    ...(chunkBytes === undefined ? {} : { chunkBytes }),
  })
  const job = recordingJob()
  try {
    const names = repositories.map((repository) => ({ registry: registry.host, repository }))
    for (const name of names) await client.checkPush(name, job)
    const exporter = createRegistryExporter({
      names: names.map(({ repository }) => `${registry.host}/${repository}:1`),
      format: 'oci',
      repository: (reference, behaviour) => client.repository(reference, behaviour),
    })
    const { descriptor } = await exporter.export([imageOf(layers)], job)
    const back = memoryRepository()
    const remotes = names.map((name) => client.repository(name))
    for (const remote of remotes) expect(await remote.resolve('1', job)).toEqual(descriptor)
    if (remotes[0] !== undefined) await copy(remotes[0], back, descriptor, job)
    expect([...back.contents.values()].map((bytes) => digestOf(bytes))).toEqual([...back.contents.keys()])
    expect(back.contents.size).toBe(layers.length + 2)
    return {
      requests: registry.seen.filter(({ path }) => path.startsWith('/v2')).length,
      digest: descriptor.digest,
    }
  } finally {
    await client[Symbol.asyncDispose]()
    await registry.stop()
  }
}

const KINDS: readonly (readonly [string, NonNullable<Trip['fault']>])[] = [
  ['503', () => ({ type: 'status', status: 503 })],
  ['a reset before it is carried out', () => ({ type: 'reset', after: 0 })],
  ['a reset after it', () => ({ type: 'lost' })],
  ['no answer', () => ({ type: 'deaf', reads: true })],
  ['401', (headers) => ({ type: 'status', status: 401, headers })],
]
const WAYS: readonly Way[] = [
  {
    way: 'to two repositories',
    repositories: ['r/a', 'r/b'],
    layers: [small, large].filter((one) => one !== undefined),
  },
  {
    way: 'in chunks',
    repositories: ['r/a'],
    layers: [large].filter((one) => one !== undefined),
    chunkBytes: 110_000,
  },
]
/** Side by side, as some wait for an answer that never comes. */
const AT_ONCE = 6

test.each(WAYS.flatMap((way) => KINDS.map(([name, fault]) => ({ ...way, name, fault }))))(
  'one fault at any request of a push $way and a pull changes nothing: $name',
  async ({ fault, name: _name, ...way }) => {
    const reference = await trip(way)
    expect(reference.requests).toBeGreaterThan(15)
    const failures: string[] = []
    const places = Array.from({ length: reference.requests }, (_, at) => at)
    const work = async () => {
      for (let at = places.shift(); at !== undefined; at = places.shift()) {
        const outcome = await trip({ ...way, fault, at }).catch((error: unknown) => ({
          digest: String(error),
        }))
        if (outcome.digest !== reference.digest)
          failures.push(`at request ${at + 1} of ${reference.requests}: ${outcome.digest}`)
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, work))
    expect(failures).toEqual([])
  },
)
