import { gzipSync } from 'node:zlib'
import { expect, test, vi } from 'vitest'
import { createCodec } from '../../../src/codec/index.ts'
import { chunksOf, collect, mixedBytes } from '../../support/codec-data.ts'

const codec = createCodec({ workers: 0 })
const text = Buffer.from('The quick brown fox jumps over the lazy dog. '.repeat(20))
const member = gzipSync(text)

function decompress(data: Uint8Array, chunkSize?: number): Promise<Buffer> {
  return collect(codec.decompress(chunksOf(data, chunkSize)))
}

const CHUNK_SIZES = [1, 2, 3, 7, member.length - 1, member.length, member.length + 1, 65_536]

test.each(CHUNK_SIZES)('decompress() reads several members in chunks of %i', async (size) => {
  expect(await decompress(Buffer.concat([member, gzipSync(''), member]), size)).toEqual(
    Buffer.concat([text, text]),
  )
})

test.each(CHUNK_SIZES)('decompress() allows zeros after the last member in chunks of %i', async (size) => {
  expect(await decompress(Buffer.concat([member, Buffer.alloc(1000)]), size)).toEqual(text)
})

test.each(CHUNK_SIZES)(
  'decompress() refuses other data after the last member in chunks of %i',
  async (size) => {
    for (const rest of ['garbage', '\0garbage', `${'\0'.repeat(500)}x`, '\x1f', '\x1f\x8b', '\x1f\x8b\x08']) {
      const data = Buffer.concat([member, Buffer.from(rest, 'latin1')])
      await expect(decompress(data, size), JSON.stringify(rest)).rejects.toMatchObject({
        code: 'ERR_OSSB_CODEC',
      })
    }
  },
)

test('decompress() refuses a member after zeros, which readers do not agree about', async () => {
  await expect(decompress(Buffer.concat([member, Buffer.alloc(10), member]))).rejects.toThrow(
    'Cannot decompress the gzip data: other data follows its end',
  )
})

test('decompress() notices a gzip stream that ends too early, wherever', async () => {
  for (let length = 2; length < member.length; length++) {
    await expect(decompress(member.subarray(0, length)), `${length} bytes`).rejects.toThrow(
      'Cannot decompress the gzip data: unexpected end of file',
    )
  }
})

test('decompress() notices any changed byte of the deflate data and the trailer', async () => {
  // The last byte before the trailer ends in padding.
  const padded = member.length - 9
  for (let at = 10; at < member.length; at++) {
    if (at === padded) continue
    const changed = Buffer.from(member)
    changed[at] = (changed[at] ?? 0) ^ 4
    await expect(decompress(changed), `byte ${at}`).rejects.toMatchObject({ code: 'ERR_OSSB_CODEC' })
  }
})

test('decompress() passes on the error of its source as it is', async () => {
  const broken = new Error('the connection is gone')
  const source = async function* () {
    yield member.subarray(0, 40)
    throw broken
  }
  await expect(collect(codec.decompress(source()))).rejects.toBe(broken)
})

test('decompress() tells its source when the consumer stops', async () => {
  const ended = vi.fn()
  const compressed = gzipSync(mixedBytes(3_000_000))
  const source = async function* () {
    try {
      yield* chunksOf(compressed, 10_000)
    } finally {
      ended()
    }
  }
  for await (const _bytes of codec.decompress(source())) break
  await vi.waitFor(() => expect(ended).toHaveBeenCalledOnce())
})

test('decompress() reads no more of its source than the consumer takes', async () => {
  let read = 0
  const compressed = gzipSync(mixedBytes(20_000_000), { level: 1 })
  const source = async function* () {
    for await (const chunk of chunksOf(compressed, 65_536)) {
      read += chunk.length
      yield chunk
    }
  }
  const output = codec.decompress(source())[Symbol.asyncIterator]()
  await output.next()
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(read).toBeLessThan(compressed.length / 2)
  await output.return?.()
})
