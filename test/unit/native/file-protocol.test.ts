import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { createAnswerReader, encodeRequests } from '../../../src/native/file-protocol.ts'

test('encodeRequests() gives lengths, the operation and NUL-terminated fields', () => {
  const bytes = encodeRequests([{ operation: 's', fields: ['/ü', Buffer.from([0, 255])] }])
  expect(bytes.toString('hex')).toMatchInlineSnapshot(`"12000000730200030000002fc3bc000200000000ff00"`)
})

function encodeAnswer(errno: number, value: Uint8Array): Buffer {
  const bytes = Buffer.alloc(8 + value.length)
  bytes.writeUInt32LE(4 + value.length, 0)
  bytes.writeInt32LE(errno, 4)
  bytes.set(value, 8)
  return bytes
}

test('createAnswerReader() gives the same answers however the stream is cut', () => {
  const answers = fc.array(fc.tuple(fc.nat(200), fc.uint8Array({ maxLength: 20 })), { maxLength: 8 })
  fc.assert(
    fc.property(answers, fc.integer({ min: 1, max: 30 }), (wanted, size) => {
      const stream = Buffer.concat(wanted.map(([errno, value]) => encodeAnswer(errno, value)))
      const reader = createAnswerReader()
      const got = Array.from({ length: Math.ceil(stream.length / size) }, (_, index) =>
        reader(stream.subarray(index * size, (index + 1) * size)),
      ).flat()
      expect(got.map(({ errno, value }) => [errno, Uint8Array.from(value)])).toEqual(wanted)
    }),
  )
})
