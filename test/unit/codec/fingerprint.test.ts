import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { xxhash128 } from 'hash-wasm'
import { afterAll, expect, test } from 'vitest'
import { createFingerprinter } from '../../../src/codec/index.ts'
import { randomBytes } from '../../support/codec-data.ts'

const fingerprinter = createFingerprinter()
const directory = mkdtempSync(join(tmpdir(), 'ossb-fingerprint-'))
afterAll(() => rmSync(directory, { recursive: true }))

test('bytes() is XXH3-128 for every length that the algorithm tells apart', async () => {
  const data = randomBytes(2100)
  for (let length = 0; length <= data.length; length++) {
    const part = data.subarray(0, length)
    expect(fingerprinter.bytes(part), `${length} bytes`).toBe(await xxhash128(part))
  }
})

test('bytes() is XXH3-128 of anything', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 20_000 }), async (data) => {
      expect(fingerprinter.bytes(data)).toBe(await xxhash128(data))
    }),
  )
})

const READ = 256 * 1024

test.each([
  0,
  1,
  240,
  241,
  READ - 1,
  READ,
  READ + 1,
  READ + 1024,
  2 * READ - 1024,
  2 * READ - 1023,
  3 * READ + 63,
  5_000_000,
])('file() is XXH3-128 of the content of a file of %i bytes', async (size) => {
  const data = randomBytes(size, size)
  const path = join(directory, `file-${size}`)
  writeFileSync(path, data)
  const expected = await xxhash128(data)
  expect(fingerprinter.file(path)).toBe(expected)
  expect(fingerprinter.bytes(data)).toBe(expected)
})

test('file() follows no symlink and says which file it could not read', () => {
  const link = join(directory, 'link')
  symlinkSync('/etc/passwd', link)
  expect(() => fingerprinter.file(link)).toThrow(`Cannot read "${link}" for its fingerprint: ELOOP`)
  expect(() => fingerprinter.file('/nowhere/file')).toThrow(
    'Cannot read "/nowhere/file" for its fingerprint: ENOENT: no such file or directory',
  )
})

test('a failed file() leaves nothing of itself in the next fingerprint', () => {
  const before = fingerprinter.bytes(Buffer.from('content'))
  expect(() => fingerprinter.file(directory)).toThrow('EISDIR')
  expect(fingerprinter.bytes(Buffer.from('content'))).toBe(before)
})
