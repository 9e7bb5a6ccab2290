import { expect, test, vi } from 'vitest'
import { createCodec } from '../../../src/codec/index.ts'
import { chunksOf, collect, mixedBytes, randomBytes } from '../../support/codec-data.ts'

const FRAME = 2 * 1024 * 1024
const codec = createCodec({ workers: 0 })

function zstd(data: Uint8Array, level = 3, chunkSize?: number): Promise<Buffer> {
  return collect(codec.compress(chunksOf(data, chunkSize), { type: 'zstd', level }))
}

function decompress(data: Uint8Array, chunkSize?: number): Promise<Buffer> {
  return collect(codec.decompress(chunksOf(data, chunkSize)))
}

function skippable(content: string): Buffer {
  const header = Buffer.alloc(8)
  header.writeUInt32LE(0x184d2a53, 0)
  header.writeUInt32LE(content.length, 4)
  return Buffer.concat([header, Buffer.from(content)])
}

const text = Buffer.from('The quick brown fox jumps over the lazy dog. '.repeat(20))
const frame = await zstd(text)

test.each([0, 1, 100, FRAME - 1, FRAME, FRAME + 1, 2 * FRAME + 12_345])(
  'zstd round-trips %i bytes',
  async (size) => {
    for (const data of [mixedBytes(size, size), randomBytes(size, size), Buffer.alloc(size)]) {
      expect((await decompress(await zstd(data), 50_000)).equals(data)).toBe(true)
    }
  },
)

test.each([1, 3, 9, 12, 19, 22])('zstd at level %i compresses whole frames of noise', async (level) => {
  const data = Buffer.concat([randomBytes(FRAME), mixedBytes(FRAME)])
  expect((await decompress(await zstd(data, level))).equals(data)).toBe(true)
})

test('compress() to zstd does not depend on the chunks that the bytes come in', async () => {
  const data = mixedBytes(FRAME + 500_000)
  const expected = await zstd(data)
  for (const size of [7777, FRAME, data.length])
    expect((await zstd(data, 3, size)).equals(expected)).toBe(true)
})

test.each([1, 2, 5, 65_536])(
  'decompress() reads several frames and skips others, in chunks of %i',
  async (size) => {
    const data = Buffer.concat([skippable('toc'), frame, skippable(''), frame, skippable('x'.repeat(3000))])
    expect(await decompress(data, size)).toEqual(Buffer.concat([text, text]))
  },
)

test('decompress() notices a zstd stream that ends too early, wherever', async () => {
  const data = Buffer.concat([skippable('toc'), frame])
  for (let length = 4; length < data.length; length++) {
    if (length === 11) continue
    await expect(decompress(data.subarray(0, length)), `${length} bytes`).rejects.toThrow(
      'Cannot decompress the zstd data: it ends within a frame',
    )
  }
})

test('decompress() refuses other data after the last frame', async () => {
  for (const rest of ['garbage', '\0\0\0\0']) {
    await expect(decompress(Buffer.concat([frame, Buffer.from(rest)]))).rejects.toThrow(
      'Cannot decompress the zstd data: other data follows its end',
    )
  }
})

test('decompress() refuses a block type and a header bit that do not exist', async () => {
  const header = Buffer.from(frame)
  header[4] = (header[4] ?? 0) | 8
  await expect(decompress(header)).rejects.toThrow('Cannot decompress the zstd data: it is corrupt')
  const block = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0x50, 7, 0, 0])
  await expect(decompress(block)).rejects.toThrow('Cannot decompress the zstd data: it is corrupt')
})

test('decompress() bounds what a few bytes can become', async () => {
  // A window of 1 MiB, then blocks that repeat one byte 128 KiB times, four bytes each.
  const block = Buffer.from([2, 0, 16, 65])
  const bomb = Buffer.concat([
    Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0x50]),
    ...Array<Buffer>(64).fill(block),
    Buffer.from([1, 0, 0]),
  ])
  const sizes: number[] = []
  for await (const bytes of codec.decompress(chunksOf(bomb))) sizes.push(bytes.length)
  expect(sizes.reduce((sum, size) => sum + size)).toBe(64 * 128 * 1024)
  expect(Math.max(...sizes)).toBeLessThanOrEqual(2 * 1024 * 1024)
})

test('decompress() of zstd passes on the error of its source and tells it when the consumer stops', async () => {
  const ended = vi.fn()
  const broken = new Error('the connection is gone')
  const source = async function* () {
    try {
      yield frame.subarray(0, frame.length - 3)
      throw broken
    } finally {
      ended()
    }
  }
  await expect(collect(codec.decompress(source()))).rejects.toBe(broken)
  for await (const _bytes of codec.decompress(chunksOf(await zstd(mixedBytes(FRAME * 2))))) break
  expect(ended).toHaveBeenCalledOnce()
})

test.each([0, 23, 2.5])('compress() refuses the zstd level %d', (level) => {
  expect(() => codec.compress(chunksOf(text), { type: 'zstd', level })).toThrow(
    `Cannot compress with zstd at level ${level}: levels are 1 to 22`,
  )
})

test('a hundred streams, finished and abandoned, do not use up the memory of the library', async () => {
  const data = mixedBytes(1_500_000)
  const compressed = await zstd(data)
  for (let round = 0; round < 50; round++) {
    for await (const _bytes of codec.decompress(chunksOf(compressed))) break
    expect((await decompress(compressed)).equals(data)).toBe(true)
  }
})
