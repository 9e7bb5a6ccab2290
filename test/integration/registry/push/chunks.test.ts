import { describe, expect, test } from 'vitest'
import { endLabs, pushLab, sampleBlob } from '../../../support/push-lab.ts'

endLabs()

const { blob, open } = sampleBlob(1_000_000)
const PATCH = { method: 'PATCH' }
const PUT = { method: 'PUT', path: /\/blobs\/uploads\// }
const once = { times: 1 }

/** `from-to` of each chunk that was sent. */
const ranges = (lab: Awaited<ReturnType<typeof pushLab>>) =>
  lab.registry.seen.filter(({ method }) => method === 'PATCH').map(({ headers }) => headers['content-range'])

const EVEN = ['0-399999', '400000-799999', '800000-999999']

describe('D5: an answer before the body has been sent', () => {
  test.each([{ early: 'reads-on' }, { early: 'closes' }, {}] as const)(
    '413: chunks, smaller and smaller (%j)',
    async (how) => {
      const lab = await pushLab({
        rules: [
          { ...PUT, ...once, fault: { type: 'status', status: 413, ...how } },
          { ...PATCH, ...once, fault: { type: 'status', status: 413, ...how } },
        ],
      })
      await lab.remote.put(blob, open, lab.job)
      expect(lab.has(blob)).toBe(true)
      const sizes = ranges(lab).map((range) => {
        const [from, to] = (range ?? '').split('-').map(Number)
        return (to ?? 0) - (from ?? 0) + 1
      })
      // A quarter of what was too large each time, and no less than 64 KiB.
      expect(sizes.slice(0, 2)).toEqual([250_000, 65_536])
      expect(Math.max(...sizes.slice(1))).toBe(65_536)
    },
  )

  test('a registry that limits requests gets blobs in requests that it takes, the next ones from the start', async () => {
    const lab = await pushLab({ limit: 100_000 })
    await lab.remote.put(blob, open, lab.job)
    expect(lab.has(blob)).toBe(true)
    const before = lab.registry.seen.length
    const next = sampleBlob(300_000)
    await lab.remote.put(next.blob, next.open, lab.job)
    expect(lab.has(next.blob)).toBe(true)
    expect(lab.registry.seen.slice(before).map(({ method }) => method)).toEqual([
      'HEAD',
      'POST',
      ...Array.from({ length: 5 }, () => 'PATCH'),
      'PUT',
    ])
  })

  test('413 to whatever is sent is an error that names the limit', async () => {
    const lab = await pushLab({ limit: 1000 })
    await expect(lab.remote.put(blob, open, lab.job)).rejects.toMatchObject({
      code: 'ERR_OSSB_REGISTRY',
      message: expect.stringContaining('413 Content Too Large'),
      hint: 'The registry, or a proxy in front of it, limits the size of a request.',
    })
    expect(ranges(lab)).toEqual(['0-249999', '0-65535'])
  })

  test.each([400, 403])('%d is an error at once, and the rest of the body is not sent', async (status) => {
    const large = sampleBlob(20_000_000)
    const lab = await pushLab({ rules: [{ ...PUT, fault: { type: 'status', status, early: 'reads-on' } }] })
    await expect(lab.remote.put(large.blob, large.open, lab.job)).rejects.toMatchObject({
      message: expect.stringContaining(`: ${status} `),
    })
    expect(lab.registry.lines('PUT')).toHaveLength(1)
    expect(lab.registry.lines('DELETE')).toHaveLength(1)
  })

  test('401: the credentials are sent, and the body again', async () => {
    const lab = await pushLab({
      auth: 'alice:opensesame',
      rules: [
        {
          ...PUT,
          ...once,
          fault: {
            type: 'status',
            status: 401,
            headers: { 'www-authenticate': 'Basic realm="x"' },
            early: 'reads-on',
          },
        },
      ],
    })
    await lab.remote.put(blob, open, lab.job)
    expect(lab.has(blob)).toBe(true)
    expect(lab.registry.lines('PUT')).toEqual(['PUT upload 1', 'PUT upload 1'])
  })
})

describe('D10: chunks', () => {
  test('go to the newest Location each, and the registry is asked for nothing else', async () => {
    const lab = await pushLab({ chunkBytes: 400_000 })
    await lab.remote.put(blob, open, lab.job)
    expect(ranges(lab)).toEqual(EVEN)
    expect(
      lab.registry.seen.slice(2).map(({ method, path }) => `${method} ${/at=\d+/.exec(path)?.[0] ?? ''}`),
    ).toEqual(['POST ', 'PATCH at=0', 'PATCH at=400000', 'PATCH at=800000', 'PUT at=1000000'])
    expect(lab.has(blob)).toBe(true)
    expect(lab.sent()).toBe(blob.size)
  })

  test('a blob that is no larger than a chunk is one request', async () => {
    const lab = await pushLab({ chunkBytes: 1_000_000 })
    await lab.remote.put(blob, open, lab.job)
    expect(ranges(lab)).toEqual([])
    expect(lab.has(blob)).toBe(true)
  })

  test('are as large as OCI-Chunk-Min-Length asks', async () => {
    const lab = await pushLab({ chunkBytes: 1000, minChunk: 600_000 })
    await lab.remote.put(blob, open, lab.job)
    expect(ranges(lab)).toEqual(['0-599999', '600000-999999'])
  })

  test('201 to a chunk, with its Range, is as good as 202', async () => {
    const lab = await pushLab({
      chunkBytes: 400_000,
      rules: [{ ...PATCH, fault: { type: 'amend', status: 201 } }],
    })
    await lab.remote.put(blob, open, lab.job)
    expect(ranges(lab)).toEqual(EVEN)
    expect(lab.has(blob)).toBe(true)
  })

  test('201 and all chunks but the first dropped: the blob goes in one request, and so do the next ones', async () => {
    const lab = await pushLab({
      chunkBytes: 400_000,
      rules: [
        {
          ...PATCH,
          skip: 1,
          times: 1,
          fault: { type: 'status', status: 201, headers: { range: '0-799999' } },
        },
        {
          ...PATCH,
          skip: 1,
          times: 1,
          fault: { type: 'status', status: 201, headers: { range: '0-999999' } },
        },
      ],
    })
    await lab.remote.put(blob, open, lab.job)
    expect(lab.registry.lines().slice(-3)).toEqual(['HEAD blobs/D', 'POST uploads', 'PUT upload 2'])
    expect(lab.has(blob)).toBe(true)
    const next = sampleBlob(500_000)
    await lab.remote.put(next.blob, next.open, lab.job)
    expect(ranges(lab)).toHaveLength(3)
  })

  test('an answer without Range: the registry is asked how much it has', async () => {
    const fault = { type: 'amend', headers: { range: undefined } } as const
    const lab = await pushLab({ chunkBytes: 400_000, rules: [{ ...PATCH, fault }] })
    await lab.remote.put(blob, open, lab.job)
    expect(ranges(lab)).toEqual(EVEN)
    expect(lab.registry.lines('GET').filter((line) => line === 'GET upload 1')).toHaveLength(3)
    expect(lab.sent()).toBe(blob.size)
  })

  test('a registry that never says how much it has gets the blob in one request', async () => {
    const fault = { type: 'amend', headers: { range: undefined } } as const
    const lab = await pushLab({
      chunkBytes: 400_000,
      rules: [
        { ...PATCH, fault },
        { method: 'GET', path: /uploads/, fault: { type: 'status', status: 404 } },
      ],
    })
    await lab.remote.put(blob, open, lab.job)
    expect(ranges(lab)).toEqual(['0-399999'])
    expect(lab.registry.lines('PUT')).toEqual(['PUT upload 2'])
    expect(lab.has(blob)).toBe(true)
  })

  test('a limit of requests and no chunks together are an error that says both', async () => {
    const lab = await pushLab({
      limit: 300_000,
      rules: [{ ...PATCH, fault: { type: 'status', status: 202 } }],
    })
    lab.registry.strike({ method: 'GET', path: /uploads/, fault: { type: 'status', status: 404 } })
    await expect(lab.remote.put(blob, open, lab.job)).rejects.toMatchObject({
      code: 'ERR_OSSB_REGISTRY',
      message: `Cannot push to "${lab.registry.host}" in chunks: it does not say how much of a chunk it has, and it refused a request of 1000000 bytes as too large`,
    })
  })

  test('a Range shorter than what was sent: it goes on behind it', async () => {
    const lab = await pushLab({ chunkBytes: 400_000 })
    // The connection breaks after part of the second chunk, of which the registry keeps what came.
    lab.registry.strike({ ...PATCH, skip: 1, times: 1, fault: { type: 'reset', after: 150_000 } })
    await lab.remote.put(blob, open, lab.job)
    const [first, second, third] = ranges(lab)
    expect([first, second]).toEqual(['0-399999', '400000-799999'])
    const from = Number(third?.split('-')[0])
    expect(from).toBeGreaterThanOrEqual(550_000)
    expect(from).toBeLessThan(800_000)
    expect(lab.registry.lines('POST')).toHaveLength(1)
    expect(lab.has(blob)).toBe(true)
  })

  test.each([
    ['more than was sent', '0-999999'],
    ['less than before', '0-99999'],
  ])('a Range of %s is not believed', async (_name, range) => {
    const lab = await pushLab({
      chunkBytes: 400_000,
      rules: [{ ...PATCH, skip: 1, times: 1, fault: { type: 'amend', headers: { range } } }],
    })
    await lab.remote.put(blob, open, lab.job)
    expect(lab.registry.lines('PUT')).toEqual(['PUT upload 2'])
    expect(lab.has(blob)).toBe(true)
  })

  test('a session that is gone in the middle: a new one, and everything from the start', async () => {
    const lab = await pushLab({
      chunkBytes: 400_000,
      rules: [{ ...PATCH, skip: 1, times: 1, fault: { type: 'status', status: 404 } }],
    })
    await lab.remote.put(blob, open, lab.job)
    expect(ranges(lab)).toEqual(['0-399999', '400000-799999', ...EVEN])
    expect(lab.registry.lines('PUT')).toEqual(['PUT upload 2'])
  })

  test.each([
    ['503', { type: 'status', status: 503 }],
    ['a lost answer', { type: 'lost' }],
  ] as const)('%s to a chunk: the registry is asked how much it has', async (_name, fault) => {
    const lab = await pushLab({ chunkBytes: 400_000, rules: [{ ...PATCH, skip: 1, times: 1, fault }] })
    await lab.remote.put(blob, open, lab.job)
    expect(lab.registry.lines('POST')).toHaveLength(1)
    expect(lab.has(blob)).toBe(true)
  })

  test('content that is damaged here is never completed', async () => {
    const lab = await pushLab({ chunkBytes: 400_000 })
    const wrong = { ...blob, digest: sampleBlob(10).blob.digest }
    await expect(lab.remote.put(wrong, open, lab.job)).rejects.toMatchObject({ code: 'ERR_OSSB_INTEGRITY' })
    expect(lab.registry.lines('PUT')).toEqual([])
    expect(lab.registry.content.sessions.size).toBe(0)
  })
})
