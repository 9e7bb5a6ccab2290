import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { subordinateIds } from '../../../src/executors/index.ts'

const directory = mkdtempSync(join(tmpdir(), 'ossb-subordinate-'))
afterAll(() => rmSync(directory, { recursive: true }))

const range = { first: 100_000, count: 65_536 }

test.each([
  ['both files', 'bob:100000:65536\n', '1007:100000:65536\n', { uidRanges: [range], gidRanges: [range] }],
  ['no range of user ids', 'ann:100000:65536\n', 'bob:100000:65536\n', undefined],
  ['no range of group ids', 'bob:100000:65536\n', '', undefined],
])('subordinateIds() with %s', (_what, uidText, gidText, expected) => {
  const files = { uids: join(directory, 'subuid'), gids: join(directory, 'subgid') }
  writeFileSync(files.uids, uidText)
  writeFileSync(files.gids, gidText)
  expect(subordinateIds({ name: 'bob', uid: 1007 }, files)).toEqual(expected)
})

test('subordinateIds() finds nothing where there are no files', () => {
  const files = { uids: join(directory, 'no-uids'), gids: join(directory, 'no-gids') }
  expect(subordinateIds({ name: 'bob', uid: 1007 }, files)).toBeUndefined()
})
