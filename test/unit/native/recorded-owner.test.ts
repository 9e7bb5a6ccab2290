import { expect, test } from 'vitest'
import type { FileEntry } from '../../../src/core/index.ts'
import { withRecordedOwner } from '../../../src/native/recorded-owner.ts'

const entry: FileEntry = {
  path: 'a',
  type: 'file',
  mode: 0o644,
  uid: 0,
  gid: 0,
  size: 0,
  mtimeNs: 1n,
  ctimeNs: 1n,
  dev: 1,
  ino: 1n,
  nlink: 1,
  rdevMajor: 0,
  rdevMinor: 0,
}

const NO_MODE = 0xffffffff

function answer(...numbers: readonly number[]): Buffer {
  const bytes = Buffer.alloc(24)
  numbers.forEach((number, i) => bytes.writeUInt32LE(number, 4 * i))
  return bytes
}

test('an owner on record takes the place of the one that was read', () => {
  expect(withRecordedOwner(entry, answer(1000, 4294967294, 0, 0, 0, NO_MODE))).toEqual({
    ...entry,
    uid: 1000,
    gid: 4294967294,
  })
})

test('a mode on record does, too', () => {
  expect(withRecordedOwner(entry, answer(0, 0, 0, 0, 0, 0o4400))).toEqual({ ...entry, mode: 0o4400 })
})

test.each([
  ['c', 'character'],
  ['b', 'block'],
] as const)('a file that stands for a device (%s) is told as a %s device', (letter, type) => {
  const owned = withRecordedOwner(entry, answer(1, 2, letter.charCodeAt(0), 8, 256, NO_MODE))
  expect(owned).toEqual({ ...entry, type, uid: 1, gid: 2, rdevMajor: 8, rdevMinor: 256 })
})
