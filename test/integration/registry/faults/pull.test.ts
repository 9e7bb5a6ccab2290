import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo, LookupFunction } from 'node:net'
import { gzipSync } from 'node:zlib'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { digestOf } from '../../../../src/core/index.ts'
import { type Clock, readAll } from '../../../../src/io/index.ts'
import { copy, copyBlob } from '../../../../src/registry/index.ts'
import {
  BLOB,
  blob,
  busy,
  checkCase,
  type FaultCase,
  fakeClock,
  GET_BLOB,
  lab,
  loopback,
  pullIntoStore,
} from '../../../support/fault-lab.ts'
import { type CustomExchange, startFaultRegistry } from '../../../support/fault-registry.ts'
import { addImage, memoryRepository, recordingJob } from '../../../support/registry-image.ts'

const D = '/v2/r/x/blobs/D'
const cut = (after: number) => ({ ...GET_BLOB, times: 1, answer: { type: 'cut', after } }) as const
const custom = (answer: (exchange: CustomExchange) => void, times?: number) => ({
  ...GET_BLOB,
  ...(times === undefined ? {} : { times }),
  answer: { type: 'custom', answer } as const,
})
const withRange = (status: number, range: string) =>
  custom(({ response, content }) => {
    response.writeHead(status, { 'content-range': range }).end(content)
  }, 1)
const drip = custom(({ response, content }) => {
  response.writeHead(200, { 'content-length': String(content.length) })
  let at = 0
  const timer = setInterval(() => response.write(content.subarray(at, (at += 1))), 40)
  response.once('close', () => clearInterval(timer))
}, 1)
/** An answer that ends where the connection ends, before the end of the content. */
const closeDelimited = (times?: number) =>
  custom(({ request, content }) => {
    request.socket.end(Buffer.concat([Buffer.from('HTTP/1.0 200 OK\r\n\r\n'), content.subarray(0, 1000)]))
  }, times)
const other = Buffer.from(BLOB).fill(7, 0, 100)

const CASES: readonly (readonly [string, FaultCase])[] = [
  ...[500, 502, 503, 504].map(
    (status) =>
      [
        `A1 ${status} five times`,
        {
          faults: [{ ...GET_BLOB, times: 5, answer: busy(status) }],
          waits: [250, 500, 1000, 2000, 4000],
        },
      ] as const,
  ),
  [
    'A2 503 for ever',
    {
      faults: [{ ...GET_BLOB, answer: busy(503) }],
      fails: {
        code: 'ERR_OSSB_REGISTRY',
        message:
          /^Cannot pull blob sha256:\w+ from "127\.0\.0\.1:\d+\/r\/x": 503 Service Unavailable to GET http:\/\/127\.0\.0\.1:\d+\/v2\/r\/x\/blobs\/sha256:\w+, after 6 attempts$/,
        hint: /in trouble/,
      },
      asked: [D, D, D, D, D, D],
    },
  ],
  [
    'A4 429 with a date',
    {
      faults: [
        {
          ...GET_BLOB,
          times: 1,
          answer: busy(429, { 'retry-after': new Date(fakeClock().now() + 30_000).toUTCString() }),
        },
      ],
      waits: [30_250],
    },
  ],
  [
    'A4 429 that asks for an hour',
    {
      faults: [{ ...GET_BLOB, answer: busy(429, { 'retry-after': '3600' }) }],
      fails: { code: 'ERR_OSSB_REGISTRY', hint: /^Rate limited, retry after 3600 s\./ },
      waits: [],
    },
  ],
  ...['-5', 'soon'].map(
    (text) =>
      [
        `A4 429 with "${text}"`,
        { faults: [{ ...GET_BLOB, times: 1, answer: busy(429, { 'retry-after': text }) }], waits: [250] },
      ] as const,
  ),
  ...[408, 425, 499, 520, 521, 522, 523, 524, 529].map(
    (status) =>
      [`A5 ${status}`, { faults: [{ ...GET_BLOB, times: 1, answer: busy(status) }], waits: [250] }] as const,
  ),
  [
    'A6 a reset of a fresh connection',
    {
      faults: [
        {
          method: 'GET',
          path: /\/v2\/$/,
          answer: {
            type: 'custom',
            answer: ({ response }) => response.setHeader('connection', 'close').end(),
          },
        },
        { ...GET_BLOB, times: 1, answer: { type: 'reset' } },
      ],
      waits: [250],
    },
  ],
  [
    'A6 a reset of a connection that had served before, which counts as no attempt',
    { faults: [{ ...GET_BLOB, times: 1, answer: { type: 'reset' } }], asked: [D, D], waits: [] },
  ],
  [
    'A6 resets for ever',
    {
      faults: [{ ...GET_BLOB, answer: { type: 'reset' } }],
      fails: { code: 'ERR_OSSB_NETWORK', message: /after 6 attempts$/, hint: /Check that 127/ },
    },
  ],
  ['A7 a body cut at 40 %', { faults: [cut(160_000)], asked: [D, `${D} bytes=160000-399999`] }],
  [
    'A7 a body cut three times',
    {
      faults: [cut(160_000), cut(100_000), cut(100_000)],
      asked: [D, `${D} bytes=160000-399999`, `${D} bytes=260000-399999`, `${D} bytes=360000-399999`],
    },
  ],
  [
    'A8 a server that ignores Range',
    { faults: [cut(160_000), { ...GET_BLOB, times: 1, answer: { type: 'ignore-range' } }] },
  ],
  [
    'A9 a range from another place, once',
    {
      faults: [cut(160_000), { ...GET_BLOB, times: 1, answer: { type: 'wrong-range' } }],
      asked: [D, `${D} bytes=160000-399999`, D],
    },
  ],
  [
    'A9 a range of another whole, once',
    { faults: [cut(160_000), withRange(206, 'bytes 160000-399999/400001')] },
  ],
  ['A9 416, once', { faults: [cut(160_000), withRange(416, 'bytes */400000')] }],
  [
    'A9 416 twice',
    {
      faults: [
        cut(160_000),
        withRange(416, 'bytes */400000'),
        cut(200_000),
        withRange(416, 'bytes */400000'),
      ],
      fails: {
        code: 'ERR_OSSB_REGISTRY',
        message: /^Cannot go on with sha256:\w+ at byte 200000 of 400000: .* 416/,
      },
    },
  ],
  [
    'A10 content that changes between attempts',
    {
      faults: [
        custom(({ response }) => {
          response.writeHead(200, { etag: '"a"', 'content-length': '400000' })
          response.write(other.subarray(0, 200_000), () => response.destroy())
        }, 1),
      ],
      warns: ['DamagedContent'],
      asked: [D, `${D} bytes=200000-399999`, D],
    },
  ],
  [
    'A11 one wrong byte, once',
    {
      faults: [{ ...GET_BLOB, times: 1, answer: { type: 'flip', at: 77 } }],
      warns: ['DamagedContent'],
      asked: [D, D],
    },
  ],
  [
    'A12 one wrong byte each time',
    {
      faults: [{ ...GET_BLOB, answer: { type: 'flip', at: 77 } }],
      fails: {
        code: 'ERR_OSSB_INTEGRITY',
        message: /^Cannot use sha256:\w+ from "127\.0\.0\.1:\d+\/r\/x": its digest is sha256:\w+$/,
      },
      asked: [D, D],
    },
  ],
  [
    'A13 more bytes than the descriptor says',
    {
      faults: [{ ...GET_BLOB, answer: { type: 'lengthen', by: 5 } }],
      fails: {
        code: 'ERR_OSSB_INTEGRITY',
        message: /it has more than the 400000 bytes that its descriptor states$/,
      },
    },
  ],
  [
    'A13 fewer bytes, with a Content-Length that is right for them',
    {
      faults: [
        custom(({ response, content }) => {
          response.writeHead(200, { 'content-length': '1000' }).end(content.subarray(0, 1000))
        }),
      ],
      fails: {
        code: 'ERR_OSSB_INTEGRITY',
        message: /it has 1000 bytes and not the 400000 that its descriptor states$/,
      },
      asked: [D, D],
    },
  ],
  [
    'A13 an end without length too early, once',
    { faults: [closeDelimited(1)], asked: [D, `${D} bytes=1000-399999`] },
  ],
  [
    'A13 an end without length too early each time',
    {
      faults: [closeDelimited()],
      fails: {
        code: 'ERR_OSSB_NETWORK',
        message: /the connection ended after 1000 of 400000 bytes .*after 6 attempts$/,
      },
    },
  ],
  [
    'A14 no answer',
    {
      faults: [{ ...GET_BLOB, times: 1, answer: { type: 'deaf' } }],
      options: { stallMs: 300 },
      waits: [250],
    },
  ],
  [
    'A14 nothing after the headers',
    {
      faults: [custom(({ response }) => response.flushHeaders(), 1)],
      options: { stallMs: 300 },
      asked: [D, D],
    },
  ],
  [
    'A14 a stall in the body',
    {
      faults: [{ ...GET_BLOB, times: 1, answer: { type: 'stall', after: 200_000 } }],
      options: { stallMs: 300 },
      asked: [D, `${D} bytes=200000-399999`],
    },
  ],
  ['A14 a drip', { faults: [drip], options: { stallMs: 300 }, waits: [250] }],
  [
    'A17 20 KiB of headers',
    {
      faults: [
        custom(({ response, content }) => {
          for (let n = 0; n < 20; n += 1) response.setHeader(`x-long-${n}`, 'h'.repeat(1024))
          response.end(content)
        }),
      ],
    },
  ],
  [
    'A17 more than 64 KiB of headers',
    {
      faults: [
        custom(({ response, content }) => {
          for (let n = 0; n < 70; n += 1) response.setHeader(`x-long-${n}`, 'h'.repeat(1024))
          response.end(content)
        }),
      ],
      fails: { code: 'ERR_OSSB_NETWORK', message: /Headers Overflow/ },
      asked: [D],
    },
  ],
  [
    'A18 HTTP/1.0',
    {
      faults: [
        custom(({ request, content }) => {
          request.socket.end(Buffer.concat([Buffer.from('HTTP/1.0 200 OK\r\n\r\n'), content]))
        }),
      ],
    },
  ],
  [
    'A18 Connection: close, in chunks',
    {
      faults: [
        custom(({ response, content }) => {
          response.writeHead(200, { connection: 'close' })
          response.write(content.subarray(0, 1000))
          response.end(content.subarray(1000))
        }),
      ],
    },
  ],
  [
    'A18 a body that a proxy compressed',
    {
      faults: [
        custom(({ response, content }) => {
          response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(content))
        }),
      ],
    },
  ],
  [
    'A18 a compressed body that breaks, and is not resumed in its middle',
    {
      faults: [
        custom(({ response, content }) => {
          const packed = gzipSync(content)
          response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': String(packed.length) })
          response.write(packed.subarray(0, 300_000), () => response.destroy())
        }, 1),
        custom(({ response, content }) => {
          response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(content))
        }),
      ],
      asked: [D, D],
    },
  ],
  [
    'A18 a blob that is only marked as compressed',
    {
      faults: [
        custom(({ response, content }) => {
          response
            .writeHead(200, { 'content-encoding': 'gzip', 'content-length': String(content.length) })
            .end(content)
        }),
      ],
    },
  ],
  [
    'A18 an encoding that nobody asked for',
    {
      faults: [custom(({ response }) => response.writeHead(200, { 'content-encoding': 'br' }).end('x'))],
      fails: { code: 'ERR_OSSB_REGISTRY', message: /it is encoded as "br", and no encoding was asked for$/ },
    },
  ],
  ['A19 404, once', { faults: [{ ...GET_BLOB, times: 1, answer: busy(404) }], waits: [1000], asked: [D, D] }],
  [
    'A19 404 each time',
    {
      faults: [{ ...GET_BLOB, answer: busy(404) }],
      fails: { code: 'ERR_OSSB_NOT_FOUND', message: /404 Not Found to GET/ },
      asked: [D, D],
    },
  ],
]

test.each(CASES)('%s', async (_name, row) => {
  await checkCase(row)
})

describe('A3 429 with Retry-After', () => {
  /** Time that stands still until it is moved. */
  function manualClock(): Clock & {
    readonly sleepers: { readonly until: number; wake(): void }[]
    advance(ms: number): void
  } {
    let now = 1_000_000
    const sleepers: { readonly until: number; wake(): void }[] = []
    return {
      sleepers,
      now: () => now,
      random: () => 0,
      sleep: (ms) => new Promise((wake) => sleepers.push({ until: now + ms, wake })),
      advance: (ms) => {
        now += ms
        for (const one of sleepers.splice(0)) {
          if (one.until <= now) one.wake()
          else sleepers.push(one)
        }
      },
    }
  }

  test('holds all requests to the registry for as long as it says, once', async () => {
    const clock = manualClock()
    const { registry, read, lines } = await lab(
      [{ ...GET_BLOB, times: 1, answer: busy(429, { 'retry-after': '2' }) }],
      { clock },
    )
    registry.blobs.set(blob.digest, BLOB)
    const first = read()
    await vi.waitFor(() => expect(clock.sleepers).toHaveLength(1))
    const others = Array.from({ length: 15 }, () => read())
    await vi.waitFor(() => expect(clock.sleepers).toHaveLength(16))
    clock.advance(1999)
    expect(lines('GET')).toEqual(['/v2/', D])
    clock.advance(1)
    for (const bytes of await Promise.all([first, ...others])) expect(digestOf(bytes)).toBe(blob.digest)
    expect(lines('GET')).toHaveLength(2 + 16)
  })
})

describe('A15 a name', () => {
  const failing =
    (code: string, times: number): LookupFunction =>
    (name, options, callback) => {
      const error = Object.assign(new Error(`getaddrinfo ${code} ${name}`), { code })
      if (left(code, times)) callback(error, '', 0)
      else loopback(name, options, callback)
    }
  const counts = new Map<string, number>()
  const left = (code: string, times: number) => {
    counts.set(code, (counts.get(code) ?? 0) + 1)
    return (counts.get(code) ?? 0) <= times
  }
  const options = { name: 'registry.test' }

  test('that is not found for a moment is asked for again', async () => {
    await checkCase({
      faults: [],
      options: { ...options, insecureRegistries: ['registry.test'], lookup: failing('EAI_AGAIN', 1) },
      waits: [250],
    })
  })

  test('that does not exist is an error which names it, after a second look', async () => {
    const made = await lab([], { ...options, lookup: failing('ENOTFOUND', 1000) })
    await expect(made.read()).rejects.toMatchObject({
      code: 'ERR_OSSB_NETWORK',
      message: expect.stringMatching(/getaddrinfo ENOTFOUND registry\.test, after 2 attempts$/),
      hint: expect.stringMatching(/^The name of registry\.test:\d+ was not found/),
    })
    expect(made.clock.slept).toHaveLength(1)
  })
})

test('A16 a registry that comes up at the third attempt', async () => {
  const placeholder = createServer().listen(0, '127.0.0.1')
  await once(placeholder, 'listening')
  const { port } = placeholder.address() as AddressInfo
  placeholder.close()
  await once(placeholder, 'close')
  const clock = fakeClock()
  const sleep: Clock['sleep'] = async (ms, signal) => {
    await clock.sleep(ms, signal)
    if (clock.slept.length < 2) return
    const registry = await startFaultRegistry({ port })
    registry.blobs.set(blob.digest, BLOB)
    onTestFinished(() => registry.stop())
  }
  const { client } = await lab([], { clock: { ...clock, sleep } })
  const remote = client.repository({ registry: `127.0.0.1:${port}`, repository: 'r/x' })
  const bytes = await readAll(await remote.open(blob, recordingJob()), 10_000_000, 'blob')
  expect(digestOf(bytes)).toBe(blob.digest)
  expect(clock.slept).toEqual([250, 500])
})

test('A20 a dead IPv6 address beside one that lives', async () => {
  const lookup: LookupFunction = (_name, options, callback) => {
    const addresses = [
      { address: '100::1', family: 6 },
      { address: '127.0.0.1', family: 4 },
    ]
    expect(options.all).toBe(true)
    callback(null, addresses)
  }
  const made = await lab([], { name: 'registry.test', insecureRegistries: ['registry.test'], lookup })
  expect(await pullIntoStore(made)).toBeUndefined()
  expect(made.clock.slept).toEqual([])
})

describe('pulling a blob', () => {
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
