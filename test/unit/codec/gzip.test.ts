import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { gunzipSync, gzipSync } from 'node:zlib'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { createCodec } from '../../../src/codec/index.ts'
import { chunksOf, collect, mixedBytes, randomBytes } from '../../support/codec-data.ts'

const BLOCK = 1024 * 1024
const LEVELS = [1, 2, 3, 4, 5, 6, 7, 8, 9] as const
const TYPES = new URL('../../../node_modules/@types/node/', import.meta.url)
const TEXTS = ['inspector.generated.d.ts', 'crypto.d.ts', 'fs.d.ts', 'http2.d.ts', 'stream.d.ts', 'util.d.ts']
const codec = createCodec({ workers: 0 })

function gzip(data: Uint8Array, level?: number, chunkSize?: number): Promise<Buffer> {
  const compression = level === undefined ? { type: 'gzip' as const } : { type: 'gzip' as const, level }
  return collect(codec.compress(chunksOf(data, chunkSize), compression))
}

/** Three bytes at a time that were seen once before, in another order: each match is as short as can be. */
function shortMatches(length: number): Buffer {
  const random = randomBytes(length, 5)
  const data = Buffer.alloc(length)
  for (let at = 0; at < length; at += 3) {
    const number = at < 15_000 ? at / 3 : (random.readUInt16LE(Math.min(at, length - 2)) * 5000) >> 16
    data[at] = number & 255
    data[at + 1] = (number >> 4) & 255
    data[at + 2] = (number * 7) & 255
  }
  return data
}

test.each(LEVELS)('compress() to gzip at level %i gives what node:zlib reads back', async (level) => {
  const zeros = Buffer.alloc(300_000)
  const periodic = Buffer.from('abcabdabcabe'.repeat(20_000))
  for (const data of [
    Buffer.alloc(0),
    zeros,
    periodic,
    randomBytes(200_000),
    mixedBytes(400_000),
    shortMatches(600_000),
  ]) {
    expect(gunzipSync(await gzip(data, level)).equals(data)).toBe(true)
  }
})

test.each([
  1,
  2,
  3,
  4,
  5,
  7,
  8,
  257,
  258,
  259,
  32_767,
  32_768,
  32_769,
  65_535,
  65_536,
  BLOCK - 1,
  BLOCK,
  BLOCK + 1,
  2 * BLOCK,
  2 * BLOCK + 32_768,
])('compress() to gzip keeps %i bytes whole', async (size) => {
  for (const data of [mixedBytes(size, size), randomBytes(size, size), Buffer.alloc(size, 'x')]) {
    expect(gunzipSync(await gzip(data)).equals(data)).toBe(true)
  }
})

test('compress() to gzip round-trips any bytes at any level', async () => {
  const repetitive = fc
    .array(fc.tuple(fc.uint8Array({ maxLength: 30 }), fc.integer({ min: 1, max: 400 })), { maxLength: 30 })
    .map((runs) =>
      Buffer.concat(runs.map(([bytes, times]) => Buffer.concat(Array<Uint8Array>(times).fill(bytes)))),
    )
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(fc.uint8Array({ maxLength: 3000 }), repetitive),
      fc.constantFrom(...LEVELS),
      async (data, level) => {
        const compressed = await gzip(data, level)
        expect(gunzipSync(compressed).equals(data)).toBe(true)
        expect((await collect(codec.decompress(chunksOf(compressed, 1000)))).equals(data)).toBe(true)
      },
    ),
    { numRuns: 100 },
  )
})

test('compress() to gzip holds as many sequences as there can be', async () => {
  const data = shortMatches(BLOCK)
  for (const level of LEVELS) expect(gunzipSync(await gzip(data, level)).equals(data)).toBe(true)
})

test('compress() to gzip does not depend on the chunks that the bytes come in', async () => {
  const data = mixedBytes(1_500_000)
  const expected = await gzip(data)
  for (const size of [7777, 65_536, BLOCK, data.length])
    expect((await gzip(data, 6, size)).equals(expected)).toBe(true)
})

test('compress() to gzip writes one member with a header that says nothing', async () => {
  const compressed = await gzip(mixedBytes(BLOCK + 5))
  expect(compressed.subarray(0, 10).toString('hex')).toBe('1f8b08000000000000ff')
  expect((await gzip(Buffer.alloc(0))).toString('hex')).toBe('1f8b08000000000000ff03000000000000000000')
})

test('compress() to gzip uses what came before a block', async () => {
  const chapter = randomBytes(30_000)
  const before = randomBytes(BLOCK - 30_000, 3)
  const alone = await gzip(Buffer.concat([before, chapter]))
  const twice = await gzip(Buffer.concat([before, chapter, chapter]))
  expect(twice.length - alone.length).toBeLessThan(1000)
})

test('compress() to gzip barely expands what cannot be compressed', async () => {
  const data = randomBytes(2 * BLOCK)
  for (const level of LEVELS) expect((await gzip(data, level)).length - data.length).toBeLessThan(2 * 120)
})

test('compress() to gzip finds what repeats in bytes that look random', async () => {
  const noise = randomBytes(100_000)
  const data = Buffer.concat([
    noise.subarray(0, 60_000),
    noise.subarray(35_000, 65_000),
    Buffer.from('text '.repeat(9000)),
    noise,
  ])
  for (const level of [1, 6, 9]) {
    const compressed = await gzip(data, level)
    expect(gunzipSync(compressed).equals(data)).toBe(true)
    expect(compressed.length).toBeLessThan(170_000)
  }
})

test('compress() to gzip is nearly as small as zlib on regular text, and smaller on machine code', async () => {
  const text = Buffer.concat(TEXTS.map((name) => readFileSync(new URL(name, TYPES))))
  const code = readFileSync(process.execPath).subarray(20 * BLOCK, 22 * BLOCK)
  for (const [data, allowed, allowedAtBest] of [
    // Very regular text is what short searches are worst at.
    [text, 1.1, 1.012],
    [code, 1, 0.99],
  ] as const) {
    expect((await gzip(data)).length).toBeLessThanOrEqual(gzipSync(data).length * allowed)
    const smallest = gzipSync(data, { level: 9 }).length
    expect((await gzip(data, 9)).length).toBeLessThanOrEqual(smallest * allowedAtBest)
  }
})

// A change here is a change of the format that layers are cached under: raise DEFLATE_VERSION with it.
test('compress() to gzip gives the bytes of version 2', async () => {
  expect(codec.id).toMatch(/^ossb-deflate-2\+/)
  const hashes = await Promise.all(
    LEVELS.map(async (level) => {
      const compressed = await gzip(mixedBytes(1_200_000), level)
      return `${level} ${compressed.length} ${createHash('sha256').update(compressed).digest('hex').slice(0, 16)}`
    }),
  )
  expect(hashes).toMatchInlineSnapshot(`
    [
      "1 304391 cd6938577312123b",
      "2 303408 2436f7ad3a554043",
      "3 303408 2436f7ad3a554043",
      "4 303408 2436f7ad3a554043",
      "5 296379 b6146f3541e2f48e",
      "6 296379 b6146f3541e2f48e",
      "7 285321 9f5c90951dce38b7",
      "8 278418 47879ddc0ecd1bae",
      "9 272460 60fdd82cd8bab0b3",
    ]
  `)
})

test.each([0, 10, 1.5, -1, Number.NaN])('compress() refuses the gzip level %d', (level) => {
  expect(() => codec.compress(chunksOf(Buffer.alloc(1)), { type: 'gzip', level })).toThrow(
    `Cannot compress with gzip at level ${level}: levels are 1 to 9`,
  )
})

test('compress() as uncompressed and decompress() of plain bytes change nothing', async () => {
  for (const data of [Buffer.alloc(0), Buffer.from([0x1f]), Buffer.from('plain'), mixedBytes(200_000)]) {
    expect((await collect(codec.compress(chunksOf(data), { type: 'uncompressed' }))).equals(data)).toBe(true)
    expect((await collect(codec.decompress(chunksOf(data, 3000)))).equals(data)).toBe(true)
  }
})
