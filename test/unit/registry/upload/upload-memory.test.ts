import { expect, test } from 'vitest'
import {
  createUploadMemory,
  learnLimit,
  learnNoChunks,
} from '../../../../src/registry/upload/upload-memory.ts'

const MIB = 1024 * 1024

test.each([
  ['a quarter of what was too large', 100 * MIB, 0, 25 * MIB],
  ['no more than 64 MiB', 10_000 * MIB, 0, 64 * MIB],
  ['no less than 64 KiB', 100_000, 0, 65_536],
  ['what the registry wants at least', 100 * MIB, 30 * MIB, 30 * MIB],
])('learnLimit() goes on with %s', (_what, bytes, least, chunk) => {
  const memory = createUploadMemory({})
  expect(learnLimit(memory, bytes, least)).toBe(true)
  expect(memory.chunkBytes).toBe(chunk)
})

test.each([
  ['64 KiB are too much', 65_536, 0],
  ['the least is too much', 5 * MIB, 5 * MIB],
])('learnLimit() gives up when %s', (_what, bytes, least) => {
  expect(learnLimit(createUploadMemory({}), bytes, least)).toBe(false)
})

test('learnLimit() gets from the largest chunk to the smallest in six steps', () => {
  const memory = createUploadMemory({ chunkBytes: 64 * MIB })
  let steps = 0
  while (learnLimit(memory, memory.chunkBytes ?? 0, 0)) steps += 1
  expect([steps, memory.chunkBytes]).toEqual([5, 65_536])
})

test('learnNoChunks() leaves whole blobs, unless those were too large', () => {
  const memory = createUploadMemory({ chunkBytes: MIB })
  expect(learnNoChunks(memory)).toBe(true)
  expect(memory.chunkBytes).toBeUndefined()
  learnLimit(memory, 10 * MIB, 0)
  expect(learnNoChunks(memory)).toBe(false)
})
