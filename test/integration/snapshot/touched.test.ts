import { execFileSync } from 'node:child_process'
import { mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Difference, withoutTouched } from '../../../src/snapshot/touched.ts'
import { entriesOf, fileSession, IDLE, newDirectory } from '../../support/layer-files.ts'

test('withoutTouched() tells changes alone, and gives the old time back to directories that lead to none', async () => {
  const root = newDirectory()
  for (const path of ['a', 'a/b', 'a/b/c', 'd', 'd/e']) mkdirSync(join(root, path))
  const touched = (path: string): Difference => ({ type: 'touched', path, mtimeNs: 1_000_000_005n })
  execFileSync('find', [root, '-exec', 'touch', '-d', '@2', '{}', '+'])
  const changed = (await entriesOf(root)).filter(({ path }) => path === 'a/b/c')
  async function* differences(): AsyncGenerator<Difference> {
    yield* ['a', 'a/b'].map(touched)
    for (const entry of changed) yield { type: 'upsert', entry }
    yield* ['d', 'd/e'].map(touched)
    yield { type: 'delete', path: 'd/gone' }
  }
  const told: string[] = []
  for await (const change of withoutTouched(differences(), root, fileSession(), IDLE))
    told.push(change.type === 'delete' ? change.path : change.entry.path)
  expect(told).toEqual(['a/b/c', 'd/gone'])
  const times = ['a', 'a/b', 'd', 'd/e'].map((path) => statSync(join(root, path), { bigint: true }).mtimeNs)
  expect(times).toEqual([2_000_000_000n, 2_000_000_000n, 2_000_000_000n, 1_000_000_005n])
})
