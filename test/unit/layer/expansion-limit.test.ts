import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { createCodec } from '../../../src/codec/index.ts'
import { digestOf, MEDIA_TYPE } from '../../../src/core/index.ts'
import { limitExpansion } from '../../../src/layer/index.ts'

async function sizeOf(content: Buffer, freeBytes: number): Promise<number> {
  const packed = gzipSync(content)
  const descriptor = { mediaType: MEDIA_TYPE.ociLayerGzip, digest: digestOf(packed), size: packed.length }
  await using codec = createCodec({ workers: 0 })
  let size = 0
  const chunks = codec.decompress(
    (async function* () {
      yield packed
    })(),
  )
  for await (const chunk of limitExpansion(chunks, descriptor, { ratio: 1000, freeBytes }))
    size += chunk.length
  return size
}

test('E10 a gzip bomb is stopped', async () => {
  await expect(sizeOf(Buffer.alloc(64 * 1024 * 1024), 1024 * 1024)).rejects.toMatchObject({
    code: 'ERR_OSSB_LAYER_INVALID',
    message: expect.stringMatching(
      /^Cannot unpack layer sha256:\w+: its 6\d\.\d* ?[kK]i?B become more than 6\d\.\d* ?Mi?B$/,
    ),
  })
})

test('E10 a little of nothing is no bomb, nor is much that is not so much more than it was', async () => {
  expect(await sizeOf(Buffer.alloc(512 * 1024), 1024 * 1024)).toBe(512 * 1024)
  const mixed = Buffer.concat([Buffer.alloc(2 * 1024 * 1024), Buffer.from('abcdefgh'.repeat(100_000))])
  expect(await sizeOf(mixed, 1024)).toBe(mixed.length)
})
