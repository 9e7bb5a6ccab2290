import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'

const DRIVER = new URL('../../support/snapshot-driver.mjs', import.meta.url).pathname
const AS_ROOT =
  process.getuid?.() === 0
    ? ['unshare', '--mount']
    : ['unshare', '--user', '--map-auto', '--map-root-user', '--mount']

interface Line {
  readonly line: string
  readonly links: readonly string[]
}

/** What a snapshotter tells of a working root, and how the tree looks in several places. */
interface Told {
  readonly changes: readonly string[]
  readonly diffId: string
  /** The working root. */
  readonly tree: readonly Line[]
  /** Its state as the snapshotter kept it. */
  readonly keptTree: readonly Line[]
  /** What unpacking the layer onto the state before gives. */
  readonly unpackedTree: readonly Line[]
}

interface Step {
  readonly performed: readonly object[]
  readonly told: { readonly copy: Told; readonly overlay: Told }
}

const directory = mkdtempSync(join(tmpdir(), 'ossb-snapshots-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

function runDriver(seed: number): readonly Step[] {
  const work = mkdtempSync(join(directory, 'run-'))
  const [command = '', ...args] = AS_ROOT
  const output = execFileSync(command, [...args, process.execPath, DRIVER, work, String(seed), '3', '40'], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
  return JSON.parse(output) as readonly Step[]
}

const linesOf = (tree: readonly Line[]) => tree.map(({ line }) => line)
const random = Math.floor(Math.random() * 2 ** 31)

describe.each([1, 2, 3, 17, 2072361363, random])('after random changes with seed %i', (seed) => {
  const steps = runDriver(seed)

  test.each(['copy', 'overlay'] as const)(
    'the layer of the %s snapshotter makes its working root',
    (name) => {
      for (const { told, performed } of steps) {
        const { tree, keptTree, unpackedTree } = told[name]
        expect(linesOf(unpackedTree), JSON.stringify(performed)).toEqual(linesOf(tree))
        expect(linesOf(keptTree), JSON.stringify(performed)).toEqual(linesOf(tree))
      }
    },
  )

  test('both snapshotters tell the same changes and make the same layer', () => {
    for (const { told, performed } of steps) {
      expect(told.overlay.changes, JSON.stringify(performed)).toEqual(told.copy.changes)
      expect(linesOf(told.overlay.tree)).toEqual(linesOf(told.copy.tree))
      expect(told.overlay.diffId, JSON.stringify(performed)).toBe(told.copy.diffId)
    }
  })

  test('there was something to tell', () => {
    expect(steps.map(({ told }) => told.copy.changes.length > 5)).toEqual([true, true, true])
    expect(steps.some(({ told }) => told.copy.changes.some((change) => change.startsWith('delete')))).toBe(
      true,
    )
  })
})
