import { crc32 } from 'node:zlib'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { combineCrc32 } from '../../../src/codec/crc32-combine.ts'

test('combineCrc32() gives the CRC-32 of two pieces put together', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 5000 }), fc.uint8Array({ maxLength: 5000 }), (a, b) => {
      expect(combineCrc32(crc32(a), crc32(b), b.length)).toBe(crc32(Buffer.concat([a, b])))
    }),
  )
})

test('combineCrc32() knows lengths beyond 32 bits', () => {
  const megabyte = crc32(Buffer.alloc(2 ** 20))
  let doubled = megabyte
  for (let length = 2 ** 20; length < 2 ** 33; length *= 2) doubled = combineCrc32(doubled, doubled, length)
  const whole = combineCrc32(0, doubled, 2 ** 33)
  expect(whole).toBe(doubled)
  expect(combineCrc32(1, 0, 2 ** 33)).toBe(
    [...Array(8192).keys()].reduce((crc) => combineCrc32(crc, 0, 2 ** 20), 1),
  )
})
