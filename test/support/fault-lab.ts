import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import type { LookupFunction } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { inspect } from 'node:util'
import { expect, onTestFinished } from 'vitest'
import { type Descriptor, digestHex, digestOf, MEDIA_TYPE } from '../../src/core/index.ts'
import { type Clock, readAll } from '../../src/io/index.ts'
import type { Repository } from '../../src/oci/index.ts'
import { copyBlob, createRegistryClient, type RegistryClient } from '../../src/registry/index.ts'
import { createOciLayout, storePaths } from '../../src/store/index.ts'
import {
  type FaultRegistry,
  type FaultRegistryOptions,
  type FaultRow,
  startFaultRegistry,
} from './fault-registry.ts'
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

export interface FaultLabOptions extends Pick<FaultRegistryOptions, 'location' | 'port' | 'tls'> {
  /** `user:password` for the registry. */
  readonly auth?: string
  /** A refresh token for it. */
  readonly identityToken?: string
  readonly stallMs?: number
  readonly clock?: Clock
  readonly lookup?: LookupFunction
  /** The host of the registry for the client, where that is not `127.0.0.1`. */
  readonly name?: string
  readonly insecureRegistries?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
}

/** A registry that goes wrong, and a client of it. */
export interface FaultLab {
  readonly registry: FaultRegistry
  /** The registry as the client calls it. */
  readonly host: string
  readonly client: RegistryClient
  readonly remote: Repository
  readonly clock: ReturnType<typeof fakeClock>
  readonly job: ReturnType<typeof recordingJob>
  readonly read: () => Promise<Buffer>
  readonly lines: (method: string) => string[]
}

/** Lasts until the end of the test. */
export async function lab(faults: readonly FaultRow[], options: FaultLabOptions = {}): Promise<FaultLab> {
  const { location, port, tls } = options
  const registry = await startFaultRegistry({
    faults,
    ...(location === undefined ? {} : { location }),
    ...(port === undefined ? {} : { port }),
    ...(tls === undefined ? {} : { tls }),
  })
  const host = `${options.name ?? '127.0.0.1'}:${registry.host.split(':')[1]}`
  const clock = fakeClock()
  const job = recordingJob()
  const client = createRegistryClient({
    insecureRegistries: options.insecureRegistries ?? [],
    environment: { HOME: '/nonexistent', ...authOf(host, options), ...options.environment },
    clock: options.clock ?? clock,
    stallMs: options.stallMs ?? 5000,
    ...(options.lookup === undefined ? {} : { lookup: options.lookup }),
  })
  const remote = client.repository({ registry: host, repository: 'r/x' })
  onTestFinished(async () => {
    await client[Symbol.asyncDispose]()
    await registry.stop()
  })
  return {
    registry,
    host,
    client,
    remote,
    clock,
    job,
    read: async () => readAll(await remote.open(blob, job), 10_000_000, 'blob'),
    lines: (method) =>
      registry.seen
        .filter((one) => one.method === method)
        .map((one) => `${one.path.replace(/sha256:\w+/, 'D')} ${one.range ?? ''}`.trim()),
  }
}

function authOf(host: string, { auth, identityToken }: FaultLabOptions): Readonly<Record<string, string>> {
  if (auth === undefined && identityToken === undefined) return {}
  const entry =
    identityToken === undefined
      ? { auth: Buffer.from(auth ?? '').toString('base64') }
      : { identitytoken: identityToken }
  return { DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { [host]: entry } }) }
}

/** Every name is this machine. */
export const loopback: LookupFunction = (_name, options, callback) =>
  options.all === true
    ? callback(null, [{ address: '127.0.0.1', family: 4 }])
    : callback(null, '127.0.0.1', 4)

/**
 * Pulls the blob into a store while the faults last, and once more when they are over: whatever happened, nothing but
 * the blob, and that whole, is ever in the store; and no secret in what was reported.
 * @returns the error of the first pull, if it failed
 */
export async function pullIntoStore(made: FaultLab, secrets: readonly string[] = []): Promise<unknown> {
  const directory = mkdtempSync(join(tmpdir(), 'ossb-fault-store-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  const store = createOciLayout(directory)
  made.registry.blobs.set(blob.digest, made.registry.blobs.get(blob.digest) ?? BLOB)
  const pull = () => copyBlob({ source: made.remote, destination: store }, blob, made.job)
  const error: unknown = await pull().then(
    () => undefined,
    (thrown: unknown) => thrown ?? new Error('nothing was thrown'),
  )
  const kept = readdirSync(join(storePaths(directory).blobs, 'sha256'))
  expect(kept).toEqual(error === undefined ? [digestHex(blob.digest)] : [])
  expectNoSecret([error, made.job.events], secrets)
  made.registry.heal()
  made.registry.blobs.set(blob.digest, BLOB)
  await pull()
  expect(readFileSync(storePaths(directory).blob(blob.digest)).equals(BLOB)).toBe(true)
  return error
}

/** Looks through errors with their causes, and all else, for what must not be told. */
export function expectNoSecret(told: unknown, secrets: readonly string[]): void {
  const text = inspect(told, { depth: 20, showHidden: true, maxStringLength: null, maxArrayLength: null })
  for (const secret of secrets) {
    expect(text).not.toContain(secret)
    expect(text).not.toContain(Buffer.from(secret).toString('base64').replace(/=+$/, ''))
  }
}

/** What a row of the table of faults leads to. */
export interface FaultCase {
  readonly faults: readonly FaultRow[]
  readonly options?: FaultLabOptions
  /** How the pull fails; absent where it must succeed. */
  readonly fails?: { readonly code: string; readonly message?: RegExp; readonly hint?: RegExp }
  /** What else must be so, before the second pull changes it. */
  readonly waits?: readonly number[]
  readonly asked?: readonly string[]
  readonly warns?: readonly string[]
}

/** Pulls under the faults of a row and looks at what came of it. */
export async function checkCase(row: FaultCase): Promise<void> {
  const made = await lab(row.faults, row.options)
  const seen: { asked?: readonly string[]; waits?: readonly number[]; warns?: readonly string[] } = {}
  const watched = {
    ...made,
    registry: {
      ...made.registry,
      heal: () => {
        seen.asked = made.lines('GET').filter((line) => line.includes('/blobs/'))
        seen.waits = [...made.clock.slept]
        seen.warns = made.job.events.flatMap((event) => (event.type === 'warning' ? [event.rule] : []))
        made.registry.heal()
      },
    },
  }
  const error = await pullIntoStore(watched)
  if (row.fails === undefined) expect(error).toBeUndefined()
  else {
    const { code, message = /^Cannot /, hint = /./ } = row.fails
    expect(error).toMatchObject({
      code,
      message: expect.stringMatching(message),
      hint: expect.stringMatching(hint),
    })
  }
  if (row.asked !== undefined) expect(seen.asked).toEqual(row.asked)
  if (row.waits !== undefined) expect(seen.waits).toEqual(row.waits)
  if (row.warns !== undefined) expect(seen.warns).toEqual(row.warns)
}

export const GET_BLOB = { method: 'GET', path: /\/blobs\/sha256/ } as const
export const PUT_BLOB = { method: 'PUT', path: /\/blobs\/uploads/ } as const
export const busy = (status: number, headers: Readonly<Record<string, string>> = {}) =>
  ({ type: 'status', status, headers, body: '' }) as const
