import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { digestOf } from '../../../src/core/index.ts'
import { checkedChunks, readAll, verified, verifiedStream } from '../../../src/io/index.ts'

const bytes = Buffer.from('first second')
const expected = { mediaType: 'x/y', digest: digestOf(bytes), size: bytes.length }
const halves = (content: Buffer) => Readable.from([content.subarray(0, 6), content.subarray(6)])

test('verified() takes what a verifiedStream checks already as it is', async () => {
  const stream = verifiedStream(halves(bytes), expected, 'a')
  const inner = checkedChunks(stream, expected)
  expect(inner).toBeDefined()
  expect(verified(stream, expected, 'b')).toBe(inner)
  expect(await readAll(verified(stream, expected, 'b'), 100, 'it')).toEqual(bytes)
})

test('verified() checks a stream that was checked for other content', async () => {
  const other = { ...expected, digest: digestOf('other') }
  const stream = verifiedStream(halves(bytes), expected, 'a')
  expect(checkedChunks(stream, other)).toBeUndefined()
  await expect(readAll(verified(stream, other, 'b'), 100, 'it')).rejects.toThrow('its digest is')
})

test('a verifiedStream holds the last bytes back until all is found right', async () => {
  const seen: string[] = []
  const read = async () => {
    const wrong = { ...expected, digest: digestOf('other') }
    for await (const chunk of verifiedStream(halves(bytes), wrong, 'a')) seen.push(String(chunk))
  }
  await expect(read()).rejects.toThrow('its digest is')
  expect(seen).toEqual(['first '])
})

test('of a source that uses its chunks again only who says so gets them as they are', async () => {
  const chunk = Buffer.alloc(6)
  async function* reusing() {
    for (const part of ['first ', 'second']) {
      chunk.write(part)
      yield chunk
    }
  }
  const open = () => verifiedStream(reusing(), expected, 'a', { reusesChunks: true })
  const all = async (chunks: AsyncIterable<Uint8Array>) => {
    const parts: Uint8Array[] = []
    for await (const part of chunks) parts.push(part)
    return Buffer.concat(parts).toString()
  }
  expect(await all(open())).toBe('first second')
  expect(await all(verified(open(), expected, 'b'))).toBe('first second')
  expect(await all(verified(open(), expected, 'b', { reusesChunks: true }))).toBe('secondsecond')
})
