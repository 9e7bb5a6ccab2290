import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { readIdRanges } from '../../../src/native/index.ts'

const directory = mkdtempSync(join(tmpdir(), 'ossb-id-range-'))
afterAll(() => rmSync(directory, { recursive: true }))

test.each([
  ['one range', 'ann:100000:65536\nbob:165536:65536\n', [{ first: 165536, count: 65536 }]],
  [
    'several, in their order, by name or by number',
    'bob:300000:10\n1007:100:5\nbob:200000:20',
    [
      { first: 300000, count: 10 },
      { first: 100, count: 5 },
      { first: 200000, count: 20 },
    ],
  ],
  ['none for others', 'bobby:1:2\n10070:1:2\n', []],
  [
    'none from lines that make no sense',
    'bob\nbob:x:1\nbob:1\nbob:1:2:3\nbob:-1:5\nbob:1:0\nbob:4294967290:10\n\n# bob:1:2',
    [],
  ],
])('readIdRanges() finds %s', (_what, content, expected) => {
  const file = join(directory, 'subuid')
  writeFileSync(file, content)
  expect(readIdRanges(file, { name: 'bob', uid: 1007 })).toEqual(expected)
})

test('readIdRanges() finds nothing where there is no file', () => {
  expect(readIdRanges(join(directory, 'missing'), { name: 'bob', uid: 1 })).toEqual([])
})

test('readIdRanges() names a file that it can not read', () => {
  expect(() => readIdRanges(directory, { name: 'bob', uid: 1 })).toThrow(
    `Cannot read the subordinate ids in "${directory}": EISDIR`,
  )
})
