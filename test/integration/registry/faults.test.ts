import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { afterEach, describe, expect, test } from 'vitest'
import { type Descriptor, digestOf, MEDIA_TYPE } from '../../../src/core/index.ts'
import { type Clock, readAll } from '../../../src/io/index.ts'
import type { Repository } from '../../../src/oci/index.ts'
import { copy, copyBlob, createRegistryClient } from '../../../src/registry/index.ts'
import { type FaultRegistry, type FaultRow, startFaultRegistry } from '../../support/fault-registry.ts'
import { addImage, memoryRepository, recordingJob } from '../../support/registry-image.ts'

/** Time that passes only by being slept. */
function fakeClock(): Clock & { readonly slept: number[] } {
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

const BLOB = randomBytes(400_000)
const blob: Descriptor = { mediaType: MEDIA_TYPE.ociLayerGzip, digest: digestOf(BLOB), size: BLOB.length }
const openBytes = () => Promise.resolve(Readable.from([BLOB]))

interface Lab extends AsyncDisposable {
  readonly registry: FaultRegistry
  readonly remote: Repository
  readonly clock: ReturnType<typeof fakeClock>
  readonly job: ReturnType<typeof recordingJob>
  readonly read: () => Promise<Buffer>
  readonly lines: (method: string) => string[]
}

const labs: Lab[] = []

afterEach(async () => {
  await Promise.all(labs.splice(0).map((one) => one[Symbol.asyncDispose]()))
})

async function lab(
  faults: readonly FaultRow[],
  options: {
    location?: (path: string, host: string) => string | undefined
    auth?: string
    stallMs?: number
  } = {},
): Promise<Lab> {
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
  const made: Lab = {
    registry,
    remote,
    clock,
    job,
    read: async () => readAll(await remote.open(blob, job), 10_000_000, 'blob'),
    lines: (method) =>
      registry.seen
        .filter((one) => one.method === method)
        .map((one) => `${one.path.replace(/sha256:\w+/, 'D')} ${one.range ?? ''}`.trim()),
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]()
      await registry.stop()
    },
  }
  labs.push(made)
  return made
}

const GET_BLOB = { method: 'GET', path: /\/blobs\/sha256/ }
const PUT_BLOB = { method: 'PUT', path: /\/blobs\/uploads/ }
const busy = (status: number, headers = {}) => ({ type: 'status', status, headers, body: '' }) as const

describe('pulling a blob', () => {
  test.each([
    ['503 twice', { ...GET_BLOB, times: 2, answer: busy(503) }],
    ['500 five times', { ...GET_BLOB, times: 5, answer: busy(500) }],
    ['a reset before the answer', { ...GET_BLOB, times: 2, answer: { type: 'reset' } }],
  ] as const)('survives %s', async (_name, fault) => {
    const { registry, read, clock } = await lab([fault])
    registry.blobs.set(blob.digest, BLOB)
    expect(digestOf(await read())).toBe(blob.digest)
    expect(clock.slept).toHaveLength(fault.times)
  })

  test('gives up after six attempts and says what the registry answered', async () => {
    const { registry, read, lines } = await lab([{ ...GET_BLOB, answer: busy(503) }])
    await expect(read()).rejects.toMatchObject({
      code: 'ERR_OSSB_REGISTRY',
      message: `Cannot pull blob ${blob.digest} from "${registry.host}/r/x": 503 Service Unavailable to GET http://${registry.host}/v2/r/x/blobs/${blob.digest}`,
    })
    expect(lines('GET').filter((line) => line.includes('blobs'))).toHaveLength(6)
  })

  test('waits as long as Retry-After asks', async () => {
    const { registry, read, clock } = await lab([
      { ...GET_BLOB, times: 1, answer: busy(429, { 'retry-after': '2' }) },
    ])
    registry.blobs.set(blob.digest, BLOB)
    await read()
    expect(clock.slept).toEqual([2250])
  })

  test('does not wait for an hour', async () => {
    const { read, clock } = await lab([{ ...GET_BLOB, answer: busy(429, { 'retry-after': '3600' }) }])
    await expect(read()).rejects.toMatchObject({ hint: expect.stringContaining('retry after 3600') })
    expect(clock.slept).toEqual([])
  })

  test('resumes a broken body where it broke, by a closed range', async () => {
    const { registry, read, lines } = await lab([
      { ...GET_BLOB, times: 1, answer: { type: 'cut', after: 150_000 } },
      { ...GET_BLOB, times: 1, answer: { type: 'cut', after: 100_000 } },
    ])
    registry.blobs.set(blob.digest, BLOB)
    expect(digestOf(await read())).toBe(blob.digest)
    expect(lines('GET').slice(1)).toEqual([
      '/v2/r/x/blobs/D',
      '/v2/r/x/blobs/D bytes=150000-399999',
      '/v2/r/x/blobs/D bytes=250000-399999',
    ])
  })

  test.each(['ignore-range', 'wrong-range'] as const)(
    'starts over when the registry answers a range with %s',
    async (type) => {
      const { registry, read } = await lab([
        { ...GET_BLOB, times: 1, answer: { type: 'cut', after: 150_000 } },
        { ...GET_BLOB, times: 1, answer: { type } },
      ])
      registry.blobs.set(blob.digest, BLOB)
      expect(digestOf(await read())).toBe(blob.digest)
    },
  )

  test('resumes after a stall', async () => {
    const { registry, read, lines } = await lab(
      [{ ...GET_BLOB, times: 1, answer: { type: 'stall', after: 200_000 } }],
      {
        stallMs: 300,
      },
    )
    registry.blobs.set(blob.digest, BLOB)
    expect(digestOf(await read())).toBe(blob.digest)
    expect(lines('GET').at(-1)).toBe('/v2/r/x/blobs/D bytes=200000-399999')
  })

  test('never ends well with a wrong byte', async () => {
    const { registry, read } = await lab([{ ...GET_BLOB, answer: { type: 'flip', at: 77 } }])
    registry.blobs.set(blob.digest, BLOB)
    await expect(read()).rejects.toMatchObject({
      code: 'ERR_OSSB_INTEGRITY',
      message: expect.stringMatching(
        `Cannot use ${blob.digest} from "${registry.host}/r/x": its digest is sha256:`,
      ),
    })
  })

  test('stops at the first byte too many', async () => {
    const { registry, read } = await lab([{ ...GET_BLOB, answer: { type: 'lengthen', by: 5 } }])
    registry.blobs.set(blob.digest, BLOB)
    await expect(read()).rejects.toMatchObject({
      code: 'ERR_OSSB_INTEGRITY',
      message: expect.stringContaining('it has more than the 400000 bytes that its descriptor states'),
    })
  })

  test('refuses content shorter than its descriptor', async () => {
    const { registry, read } = await lab([])
    registry.blobs.set(blob.digest, BLOB.subarray(0, 1000))
    await expect(read()).rejects.toMatchObject({ code: expect.stringMatching(/NETWORK|INTEGRITY/) })
  })

  test('ends at once when the job is aborted', async () => {
    const { registry, remote } = await lab([{ ...GET_BLOB, answer: { type: 'stall', after: 1000 } }])
    registry.blobs.set(blob.digest, BLOB)
    const controller = new AbortController()
    const reason = new Error('interrupted')
    const stream = await remote.open(blob, recordingJob(controller.signal))
    setTimeout(() => controller.abort(reason), 50)
    await expect(readAll(stream, 10_000_000, 'blob')).rejects.toBe(reason)
  })

  test('reports progress up to the last byte', async () => {
    const { registry, read, job } = await lab([])
    registry.blobs.set(blob.digest, BLOB)
    await read()
    expect(job.events.at(-1)).toEqual({
      type: 'progress',
      what: `pull ${blob.digest.slice(0, 19)}…`,
      current: 400_000,
      total: 400_000,
      unit: 'bytes',
    })
  })
})

describe('a redirect', () => {
  test('is followed to another origin without the Authorization header', async () => {
    const storage = await lab([])
    storage.registry.blobs.set(blob.digest, BLOB)
    const location = `http://${storage.registry.host}/v2/r/x/blobs/${blob.digest}`
    const { registry, read } = await lab(
      [
        { ...GET_BLOB, times: 1, answer: busy(401, { 'www-authenticate': 'Basic realm="x"' }) },
        { ...GET_BLOB, answer: busy(307, { location }) },
      ],
      { auth: 'alice:opensesame' },
    )
    expect(digestOf(await read())).toBe(blob.digest)
    expect(registry.seen.at(-1)?.authorization).toMatch(/^Basic /)
    expect(storage.registry.seen.map((one) => one.authorization)).toEqual([undefined])
  })

  test.each([
    ['in a circle', '/v2/r/x/blobs/sha256:loop', 'there are more than ten'],
    [
      'to a metadata address',
      'http://169.254.169.254/latest',
      'it leads to a link-local or metadata address',
    ],
    ['to a file', 'file:///etc/passwd', '"file:" is not followed'],
  ])('%s is refused', async (_name, location, why) => {
    const { read } = await lab([{ ...GET_BLOB, answer: busy(307, { location }) }])
    await expect(read()).rejects.toMatchObject({
      code: 'ERR_OSSB_REGISTRY',
      message: expect.stringContaining(why),
    })
  })
})

describe('pushing a blob', () => {
  const locations: readonly [string, (path: string, host: string) => string][] = [
    ['a path', (path) => path],
    ['a URL', (path, host) => `http://${host}${path}`],
    ['a URL without scheme', (path, host) => `//${host}${path}`],
    ['a host and a path', (path, host) => `${host}${path}`],
  ]
  test.each(locations)('goes on at a Location that is %s, and keeps its query', async (_name, location) => {
    const { registry, remote, job, lines } = await lab([], { location })
    await remote.put(blob, openBytes, job)
    expect(registry.blobs.get(blob.digest)?.equals(BLOB)).toBe(true)
    expect(lines('PUT')).toEqual([
      `/v2/r/x/blobs/uploads/1?_state=a%2Bb%3D&digest=${encodeURIComponent(blob.digest)}`,
    ])
  })

  test('without a Location is a clear error', async () => {
    const { registry, remote, job } = await lab([], { location: () => undefined })
    await expect(remote.put(blob, openBytes, job)).rejects.toMatchObject({
      message: `Cannot push to "${registry.host}": it opened an upload and did not say where (no Location header)`,
    })
  })

  test.each([
    ['500 to the body', { type: 'status', status: 500 }],
    ['a reset in the body', { type: 'reset' }],
    ['404 to the session', { type: 'status', status: 404 }],
  ] as const)('starts a new session after %s', async (_name, answer) => {
    const { registry, remote, job, lines } = await lab([{ ...PUT_BLOB, times: 1, answer }])
    await remote.put(blob, openBytes, job)
    expect(registry.blobs.has(blob.digest)).toBe(true)
    expect(lines('POST')).toHaveLength(2)
    expect(lines('PUT')).toHaveLength(2)
  })

  test('starts a new session when the registry stops reading', async () => {
    const { registry, remote, job, lines } = await lab(
      [{ ...PUT_BLOB, times: 1, answer: { type: 'deaf' } }],
      {
        stallMs: 400,
      },
    )
    const bytes = randomBytes(16_000_000)
    const large = { ...blob, digest: digestOf(bytes), size: bytes.length }
    const chunks = Array.from({ length: 250 }, (_, at) => bytes.subarray(at * 64_000, (at + 1) * 64_000))
    await remote.put(large, () => Promise.resolve(Readable.from(chunks)), job)
    expect(registry.blobs.has(large.digest)).toBe(true)
    expect(lines('POST')).toHaveLength(2)
  })

  test('sends nothing again when only the answer was lost', async () => {
    const { remote, job, lines } = await lab([
      { ...PUT_BLOB, times: 1, answer: { type: 'reset', after: 'request' } },
    ])
    await remote.put(blob, openBytes, job)
    expect(lines('PUT')).toHaveLength(1)
  })

  test('does not send the same password again when it is refused in the middle', async () => {
    const { registry, remote, job, lines } = await lab(
      [
        {
          method: 'HEAD',
          path: /blobs/,
          times: 1,
          answer: busy(401, { 'www-authenticate': 'Basic realm="x"' }),
        },
        { ...PUT_BLOB, times: 1, answer: { type: 'status', status: 401 } },
      ],
      { auth: 'alice:opensesame' },
    )
    await expect(remote.put(blob, openBytes, job)).rejects.toMatchObject({ code: 'ERR_OSSB_UNAUTHORIZED' })
    expect(lines('PUT')).toHaveLength(1)
    expect(registry.blobs.size).toBe(0)
  })

  test('uploads where the registry does not know whether it has the blob', async () => {
    const { registry, remote, job } = await lab([{ method: 'HEAD', path: /blobs/, answer: busy(500) }])
    await remote.put(blob, openBytes, job)
    expect(registry.blobs.has(blob.digest)).toBe(true)
  })

  test('never completes with content that is not what it should be', async () => {
    const { registry, remote, job } = await lab([])
    const wrong = Buffer.from(BLOB)
    wrong[5] = (wrong[5] ?? 0) ^ 1
    const open = () => Promise.resolve(Readable.from([wrong.subarray(0, 200_000), wrong.subarray(200_000)]))
    await expect(remote.put(blob, open, job)).rejects.toMatchObject({ code: 'ERR_OSSB_INTEGRITY' })
    expect(registry.blobs.size).toBe(0)
  })

  test.each([202, 401, 403, 404, 405, 500])(
    'falls back to an upload when a mount is answered with %d',
    async (status) => {
      const registry = await startFaultRegistry({
        faults: status === 202 ? [] : [{ method: 'POST', path: /mount=/, answer: busy(status) }],
      })
      const client = createRegistryClient({ insecureRegistries: [], environment: {}, clock: fakeClock() })
      const remote = client.repository(
        { registry: registry.host, repository: 'r/x' },
        { mountFrom: () => `${registry.host}/base` },
      )
      await remote.put(blob, openBytes, recordingJob())
      expect(registry.blobs.has(blob.digest)).toBe(true)
      expect(registry.seen.filter((one) => one.method === 'POST')).toHaveLength(status === 202 ? 1 : 2)
      await client[Symbol.asyncDispose]()
      await registry.stop()
    },
  )
})

describe('pushing a manifest', () => {
  test('fails when the registry stored another one', async () => {
    const { remote, job } = await lab([
      {
        method: 'PUT',
        path: /manifests/,
        answer: {
          type: 'status',
          status: 201,
          headers: { 'docker-content-digest': `sha256:${'0'.repeat(64)}` },
        },
      },
    ])
    const source = memoryRepository()
    await expect(copy(source, remote, addImage(source, [10]), job)).rejects.toMatchObject({
      code: 'ERR_OSSB_REGISTRY',
      message: expect.stringContaining('the registry stored it as sha256:0000'),
    })
  })

  test.each([
    ['503', busy(503)],
    ['a lost answer', { type: 'reset', after: 'request' }],
  ] as const)('survives %s', async (_name, answer) => {
    const { registry, remote, job } = await lab([{ method: 'PUT', path: /manifests/, times: 1, answer }])
    const source = memoryRepository()
    const image = addImage(source, [10])
    await copy(source, remote, image, job)
    await remote.tag(image, 'v1', job)
    expect(registry.manifests.has('r/x:v1')).toBe(true)
  })

  test('comes after everything that it names, and the tag last', async () => {
    const { registry, remote, job } = await lab([])
    const source = memoryRepository()
    const image = addImage(source, [10, 20])
    await copy(source, remote, image, job)
    await remote.tag(image, 'v1', job)
    expect(
      registry.seen.filter((one) => one.method === 'PUT').map((one) => one.path.replace(/\/\d.*/, '')),
    ).toEqual([
      '/v2/r/x/blobs/uploads',
      '/v2/r/x/blobs/uploads',
      '/v2/r/x/blobs/uploads',
      `/v2/r/x/manifests/${image.digest}`,
      '/v2/r/x/manifests/v1',
    ])
  })
})

describe('copy()', () => {
  test('asks once more for a blob that came damaged, and warns', async () => {
    const { registry, remote, job } = await lab([{ ...GET_BLOB, times: 1, answer: { type: 'flip', at: 3 } }])
    const source = memoryRepository()
    const image = addImage(source, [1000])
    await copy(source, remote, image, recordingJob())
    const back = memoryRepository()
    await copy(remote, back, image, job)
    expect(back.contents.size).toBe(source.contents.size)
    expect(registry.blobs.size).toBe(2)
    expect(job.events.filter((event) => event.type === 'warning')).toMatchObject([{ rule: 'DamagedContent' }])
  })

  test('keeps nothing of a blob that is damaged each time', async () => {
    const { remote, job } = await lab([{ ...GET_BLOB, answer: { type: 'flip', at: 3 } }])
    const source = memoryRepository()
    const image = addImage(source, [1000])
    await copy(source, remote, image, recordingJob())
    const back = memoryRepository()
    await expect(copy(remote, back, image, job)).rejects.toMatchObject({ code: 'ERR_OSSB_INTEGRITY' })
    expect(back.contents.size).toBe(0)
  })

  test('moves a single blob by copyBlob() with the same care', async () => {
    const { registry, remote, job } = await lab([{ ...GET_BLOB, times: 1, answer: { type: 'flip', at: 3 } }])
    registry.blobs.set(blob.digest, BLOB)
    const back = memoryRepository()
    await copyBlob({ source: remote, destination: back }, blob, job)
    expect(back.contents.has(blob.digest)).toBe(true)
  })
})

describe('logging in', () => {
  async function withTokens(
    answer: (n: number) => { status: number; body: string },
    faults: readonly FaultRow[] = [],
  ) {
    let asked = 0
    const headers: (string | undefined)[] = []
    const server = createServer((request, response) => {
      asked += 1
      headers.push(request.headers.authorization)
      const { status, body } = answer(asked)
      response.writeHead(status).end(body)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const realm = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`
    const challenge = {
      'www-authenticate': `Bearer realm="${realm}",service="s",scope="repository:r/x:pull"`,
    }
    const made = await lab(
      [
        { ...GET_BLOB, times: 1, answer: busy(401, challenge) },
        ...faults.map((row) => withChallenge(row, challenge)),
      ],
      {
        auth: 'alice:opensesame',
      },
    )
    made.registry.blobs.set(blob.digest, BLOB)
    return {
      ...made,
      asked: () => asked,
      headers,
      [Symbol.asyncDispose]: async () => {
        server.closeAllConnections()
        server.close()
        await once(server, 'close')
      },
    }
  }

  function withChallenge(row: FaultRow, headers: Readonly<Record<string, string>>): FaultRow {
    return row.answer.type === 'status' ? { ...row, answer: { ...row.answer, headers } } : row
  }

  const token = (value: string) => ({ status: 200, body: JSON.stringify({ access_token: value }) })

  test('renews a token that is refused in the middle of a push, once', async () => {
    await using lab = await withTokens(
      (n) => token(`token${n}`),
      [{ ...PUT_BLOB, times: 1, answer: busy(401) }],
    )
    await lab.read()
    const bytes = randomBytes(1000)
    const other = { ...blob, digest: digestOf(bytes), size: 1000 }
    await lab.remote.put(other, () => Promise.resolve(Readable.from([bytes])), lab.job)
    expect(lab.registry.blobs.has(other.digest)).toBe(true)
    expect(lab.registry.seen.filter((one) => one.method === 'PUT').map((one) => one.authorization)).toEqual([
      'Bearer token2',
      'Bearer token3',
    ])
  })

  test('gives up when a fresh token is refused too', async () => {
    await using lab = await withTokens((n) => token(`token${n}`), [{ ...GET_BLOB, answer: busy(401) }])
    await expect(lab.read()).rejects.toMatchObject({
      code: 'ERR_OSSB_UNAUTHORIZED',
      hint: expect.stringContaining('came from the environment variable DOCKER_AUTH_CONFIG'),
    })
    expect(lab.asked()).toBe(2)
  })

  test('asks for one token however many blobs are wanted at once', async () => {
    await using lab = await withTokens((n) => token(`token${n}`))
    await lab.read()
    await Promise.all(Array.from({ length: 16 }, () => lab.read()))
    expect(lab.asked()).toBe(1)
  })

  test('survives a token server that is busy', async () => {
    await using lab = await withTokens((n) => (n <= 2 ? { status: 503, body: '' } : token('t')))
    await lab.read()
    expect(lab.asked()).toBe(3)
  })

  test.each(['<html>', '{}', '[]', 'null'])('says that %s is no token', async (body) => {
    await using lab = await withTokens(() => ({ status: 200, body }))
    await expect(lab.read()).rejects.toMatchObject({
      message: expect.stringContaining('it is not a JSON document with a token'),
    })
  })

  test('a wrong password fails at once, names its source and never shows it', async () => {
    await using lab = await withTokens(() => ({
      status: 401,
      body: '{"errors":[{"code":"UNAUTHORIZED","message":"wrong password"}]}',
    }))
    const error: unknown = await lab.read().catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({
      code: 'ERR_OSSB_UNAUTHORIZED',
      message: expect.stringMatching(
        /^Cannot pull blob .*: login refused: 401 UNAUTHORIZED \(wrong password\) to GET/,
      ),
      hint: expect.stringMatching(
        /^The credentials for 127.0.0.1:\d+ came from the environment variable DOCKER_AUTH_CONFIG/,
      ),
    })
    expect(lab.asked()).toBe(1)
    expect(String(lab.headers)).toContain(Buffer.from('alice:opensesame').toString('base64'))
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toMatch(/opensesame|YWxpY2U6/)
  })
})

describe('one fault at any request of a push and a pull changes nothing:', () => {
  const trip = async (faults: readonly FaultRow[]) => {
    const { registry, remote } = await lab(faults, { stallMs: 400 })
    const source = memoryRepository()
    const image = addImage(source, [3000, 2000])
    await copy(source, remote, image, recordingJob(), { concurrency: 1 })
    await remote.tag(image, 'v1', recordingJob())
    const back = memoryRepository()
    await copy(remote, back, await remote.resolve('v1', recordingJob()), recordingJob(), { concurrency: 1 })
    expect([...back.contents.keys()].sort()).toEqual([...source.contents.keys()].sort())
    return registry.seen.length
  }

  test.each([
    ['503', busy(503)],
    ['a reset before the request is carried out', { type: 'reset' }],
    ['a reset after it', { type: 'reset', after: 'request' }],
    ['a cut in the body', { type: 'cut', after: 100 }],
    ['a stall in the body', { type: 'stall', after: 100 }],
  ] as const)('%s', async (_name, answer) => {
    // The first request only finds out that this is no TLS.
    const requests = await trip([])
    expect(requests).toBeGreaterThan(15)
    for (let skip = 0; skip < requests; skip += 1)
      await trip([{ method: '*', path: /./, skip, times: 1, answer }]).catch((cause: unknown) => {
        throw new Error(`with a fault at request ${skip + 1} of ${requests}`, { cause })
      })
  })
})
