import { describe, expect, test } from 'vitest'
import { digestOf } from '../../../../src/core/index.ts'
import { readAll } from '../../../../src/io/index.ts'
import { copy, copyBlob } from '../../../../src/registry/index.ts'
import { BLOB, blob, busy, GET_BLOB, lab } from '../../../support/fault-lab.ts'
import { addImage, memoryRepository, recordingJob } from '../../../support/registry-image.ts'

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
