import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { FileEntry } from '../../../src/core/index.ts'
import { createRecordCursor, createRecordSplitter } from '../../../src/native/walk-record.ts'

interface Fields {
  readonly type: number
  readonly flags?: number
  readonly depth?: number
  readonly name?: string
  readonly link?: string
  readonly capability?: string
  readonly size?: bigint
}

/** A record as c/walk.c writes it. */
function record({
  type,
  flags = 1,
  depth = 0,
  name = '',
  link = '',
  capability = '',
  size = 0n,
}: Fields): Buffer {
  const tail = Buffer.concat([Buffer.from(name), Buffer.from(link), Buffer.from(capability, 'latin1')])
  const bytes = Buffer.alloc(88)
  bytes.writeUInt32LE(88 + tail.length, 0)
  bytes.writeUInt8(type, 4)
  bytes.writeUInt8(flags, 5)
  bytes.writeUInt16LE(Buffer.byteLength(name), 6)
  for (const [at, value] of [
    [8, depth],
    [12, 0o644],
    [16, 1],
    [20, 2],
    [24, 3],
    [28, capability.length],
    [32, 8],
    [36, 9],
    [40, Buffer.byteLength(link)],
  ] as const)
    bytes.writeUInt32LE(value, at)
  bytes.writeBigUInt64LE(size, 48)
  bytes.writeBigUInt64LE(0x1_0000_0002n, 56)
  bytes.writeBigUInt64LE(2n ** 64n - 1n, 64)
  bytes.writeBigInt64LE(-1n, 72)
  bytes.writeBigInt64LE(5n, 80)
  return Buffer.concat([bytes, tail])
}

const STREAM = Buffer.concat([
  record({ type: 2 }),
  record({ type: 2, depth: 1, name: 'a', flags: 1 | 4 }),
  record({ type: 1, depth: 2, name: 'ü', flags: 0, capability: '\x01\x02', size: 2n ** 33n }),
  record({ type: 3, depth: 1, name: 'link', link: '../ö' }),
  record({ type: 4, depth: 1, name: 'null' }),
  record({ type: 0 }),
])

function decode(stream: Buffer, size: number): { entries: readonly FileEntry[]; ended: boolean } {
  const splitter = createRecordSplitter('/root')
  const cursor = createRecordCursor('/root')
  const entries: FileEntry[] = []
  for (let at = 0; at < stream.length; at += size) {
    cursor.load(splitter.split(stream.subarray(at, at + size)))
    while (cursor.next()) entries.push(cursor.entry())
  }
  return { entries, ended: splitter.ended }
}

test('the walk decoder joins paths and keeps numbers whole', () => {
  const { entries, ended } = decode(STREAM, STREAM.length)
  expect(ended).toBe(true)
  expect(
    entries.map(({ path, type, linkTarget, capability, opaque }) => [
      path,
      type,
      linkTarget,
      capability,
      opaque,
    ]),
  ).toMatchInlineSnapshot(`
    [
      [
        "",
        "directory",
        undefined,
        undefined,
        undefined,
      ],
      [
        "a",
        "directory",
        undefined,
        undefined,
        true,
      ],
      [
        "a/ü",
        "file",
        undefined,
        Uint8Array [
          1,
          2,
        ],
        undefined,
      ],
      [
        "link",
        "symlink",
        "../ö",
        undefined,
        undefined,
      ],
      [
        "null",
        "character",
        undefined,
        undefined,
        undefined,
      ],
    ]
  `)
  expect(entries[2]).toMatchObject({
    size: 2 ** 33,
    dev: 2 ** 32 + 2,
    ino: 2n ** 64n - 1n,
    mtimeNs: -1n,
    ctimeNs: 5n,
    mode: 0o644,
    uid: 1,
    gid: 2,
    nlink: 3,
    rdevMajor: 8,
    rdevMinor: 9,
  })
})

test('the walk decoder gives the same entries however the stream is cut', () => {
  const whole = decode(STREAM, STREAM.length)
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 200 }), (size) => {
      expect(decode(STREAM, size)).toEqual(whole)
    }),
  )
})

test('the walk decoder does not take a stream that was cut off for a whole one', () => {
  expect(decode(STREAM.subarray(0, -88), 64).ended).toBe(false)
})

test('the walk decoder throws what the helper could not read', () => {
  const failure = record({ type: 255, name: 'getdents', link: 'a/b', size: 13n })
  expect(() => decode(failure, failure.length)).toThrow(
    'Cannot read the tree "/root": EACCES: getdents "a/b"',
  )
})

test('the walk decoder refuses names that are not UTF-8', () => {
  const bad = record({ type: 1, depth: 1, name: 'x', flags: 2 })
  expect(() => decode(bad, bad.length)).toThrow('Cannot read the tree "/root": the name of "x"')
})
