import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { digestOf } from '../../../../src/core/index.ts'
import { copy, createRegistryClient } from '../../../../src/registry/index.ts'
import { BLOB, blob, busy, fakeClock, lab, openBytes, PUT_BLOB } from '../../../support/fault-lab.ts'
import { startFaultRegistry } from '../../../support/fault-registry.ts'
import { addImage, memoryRepository, recordingJob } from '../../../support/registry-image.ts'

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
