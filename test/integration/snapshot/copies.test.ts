import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, expect, test } from 'vitest'
import { createCodec } from '../../../src/codec/index.ts'
import { type Change, digestOf, type FileEntry } from '../../../src/core/index.ts'
import { layerTar } from '../../../src/layer/index.ts'
import type { Layer } from '../../../src/oci/index.ts'
import { createCopySnapshotter, type Snapshotter, type WorkingRoot } from '../../../src/snapshot/index.ts'
import { outliveTick, readRecords } from '../../../src/snapshot/tree-records.ts'
import { walkChanges } from '../../../src/snapshot/walk-changes.ts'
import { openWorkspace, storePaths } from '../../../src/store/index.ts'
import {
  archive,
  bytesOf,
  fileSession,
  HELPER,
  IDLE,
  listTree,
  newDirectory,
} from '../../support/layer-files.ts'

const session = fileSession()
const paths = storePaths(join(newDirectory(), 'cache'))
const workspace = await openWorkspace(paths, session, IDLE)
afterAll(() => workspace[Symbol.asyncDispose]())

function newSnapshotter(): Snapshotter {
  return createCopySnapshotter({
    paths,
    workspace,
    helper: HELPER,
    session,
    codec: createCodec({ workers: 0 }),
  })
}

function layerOf(tar: Buffer, created?: string): Layer {
  const digest = digestOf(tar)
  const descriptor = { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest, size: tar.length }
  const about = { diffId: digest, descriptor, open: () => Promise.resolve(Readable.from([tar])) }
  return created === undefined ? about : { ...about, created }
}

const BASE = [
  layerOf(
    archive(
      { path: 'etc', type: 'directory', mode: 0o755 },
      { path: 'etc/name', content: 'of the base' },
      { path: 'etc/mode', content: 'of the base', mode: 0o755 },
    ),
  ),
]

/** What a step does to a root, and does not undo. */
type Act = (root: string) => void

interface Performed {
  readonly layers: readonly Layer[]
  readonly rootfs: string
  readonly told: readonly string[]
}

function tell(change: Change): string {
  return change.type === 'delete' ? `-${change.path}` : `+${change.entry.path}`
}

async function freeze(
  root: WorkingRoot,
): Promise<{ readonly layer: Layer; readonly told: readonly string[] }> {
  const told: string[] = []
  async function* noted() {
    for await (const change of root.changes(IDLE)) {
      told.push(tell(change))
      yield change
    }
  }
  const tar = await bytesOf(layerTar(noted(), root.rootfs, { session }, IDLE))
  return { layer: layerOf(tar, '2020-01-01T00:00:00Z'), told }
}

async function step(snapshotter: Snapshotter, layers: readonly Layer[], act: Act): Promise<Performed> {
  await using root = await snapshotter.prepare(layers, IDLE)
  act(root.rootfs)
  const { layer, told } = await freeze(root)
  await root.commit(layer, IDLE)
  return { layers: [...layers, layer], rootfs: root.rootfs, told }
}

const write =
  (path: string, text: string): Act =>
  (root) =>
    writeFileSync(join(root, path), text)

/** A tree as its layers have it: they keep whole seconds. */
async function listState(root: string): Promise<readonly string[]> {
  return (await listTree(root)).map((line) => line.replace(/\d{9}$/, '000000000'))
}

test('the steps of a chain work in one tree, one after the other', async () => {
  const snapshotter = newSnapshotter()
  const first = await step(snapshotter, BASE, write('a', '1'))
  const second = await step(snapshotter, first.layers, write('b', '2'))
  expect(second.told).toEqual(['+b'])
  expect(second.rootfs).toBe(first.rootfs)
  await using base = await snapshotter.view(BASE, IDLE)
  expect(readdirSync(base.rootfs)).toEqual(['etc'])
})

test('a state that the tree has moved on from is made again for a view and for a second branch', async () => {
  const snapshotter = newSnapshotter()
  const first = await step(snapshotter, BASE, write('a', '1'))
  const second = await step(snapshotter, first.layers, (root) => rmSync(join(root, 'a')))
  const branch = await step(snapshotter, first.layers, write('c', '3'))
  expect([second.told, branch.told]).toEqual([['-a'], ['+c']])
  expect(branch.rootfs).not.toBe(second.rootfs)
  await using before = await snapshotter.view(first.layers, IDLE)
  await using after = await snapshotter.view(second.layers, IDLE)
  await using beside = await snapshotter.view(branch.layers, IDLE)
  const shown = [before, after, beside].map(({ rootfs }) => readdirSync(rootfs))
  expect(shown).toEqual([['a', 'etc'], ['etc'], ['a', 'c', 'etc']])
})

test('a state that somebody looks at, or that a step works on, is neither taken from them nor waited for', async () => {
  const snapshotter = newSnapshotter()
  const { layers, rootfs } = await step(snapshotter, BASE, write('a', '1'))
  await using view = await snapshotter.view(layers, IDLE)
  await using left = await snapshotter.prepare(layers, IDLE)
  await using right = await snapshotter.prepare(layers, IDLE)
  write('a', 'left')(left.rootfs)
  write('a', 'right')(right.rootfs)
  await using again = await snapshotter.view(layers, IDLE)
  expect(view.rootfs).toBe(rootfs)
  expect([view, again].map((shown) => readFileSync(join(shown.rootfs, 'a'), 'utf8'))).toEqual(['1', '1'])
})

test('what a step leaves behind that did not come to its end is no state', async () => {
  const snapshotter = newSnapshotter()
  const { layers } = await step(snapshotter, BASE, write('a', '1'))
  await using before = await snapshotter.view(layers, IDLE)
  const expected = await listState(before.rootfs)
  await before[Symbol.asyncDispose]()
  const failed = await snapshotter.prepare(layers, IDLE)
  write('a', 'half')(failed.rootfs)
  await failed[Symbol.asyncDispose]()
  expect(lstatSync(failed.rootfs, { throwIfNoEntry: false })).toBeUndefined()
  await using after = await snapshotter.view(layers, IDLE)
  expect(await listState(after.rootfs)).toEqual(expected)
})

test('a layer that no step made here is unpacked onto the tree', async () => {
  const snapshotter = newSnapshotter()
  const first = await step(snapshotter, BASE, write('a', '1'))
  const linked = layerOf(archive({ path: 'linked', content: 'x' }, { path: '.wh.a' }), '2020-01-01T00:00:00Z')
  const second = await step(snapshotter, [...first.layers, linked], write('b', '2'))
  expect(second.told).toEqual(['+b'])
  expect(second.rootfs).toBe(first.rootfs)
  expect(readdirSync(second.rootfs)).toEqual(['b', 'etc', 'linked'])
})

test('what was touched and looks as before is compared with what the base or the last layer with it holds', async () => {
  const snapshotter = newSnapshotter()
  const touch: Act = (root) => {
    chmodSync(join(root, 'etc/mode'), 0o755)
    for (const path of ['etc/name', 'own']) chmodSync(join(root, path), lstatSync(join(root, path)).mode)
  }
  /** Other bytes, the same size and modification time. */
  const rewrite =
    (path: string, text: string): Act =>
    (root) => {
      const { mtime } = lstatSync(join(root, path))
      writeFileSync(join(root, path), text, { flag: 'r+' })
      utimesSync(join(root, path), mtime, mtime)
    }
  const first = await step(snapshotter, BASE, (root) => {
    write('own', 'before')(root)
    utimesSync(join(root, 'own'), 1000, 1000)
  })
  const second = await step(snapshotter, first.layers, touch)
  expect(second.told).toEqual([])
  const third = await step(snapshotter, second.layers, rewrite('own', 'after!'))
  expect(third.told).toEqual(['+own'])
  const fourth = await step(snapshotter, third.layers, (root) => {
    touch(root)
    rewrite('own', 'after!')(root)
  })
  expect(fourth.told).toEqual([])
  const fifth = await step(snapshotter, fourth.layers, rewrite('own', 'before'))
  expect(fifth.told).toEqual(['+own'])
})

test('a file that a step changes at once, after the step before it wrote it, is told', async () => {
  const snapshotter = newSnapshotter()
  let { layers } = await step(snapshotter, BASE, write('same size', '0'))
  for (const text of ['1', '2', '3', '4']) {
    const next = await step(snapshotter, layers, (root) => {
      const path = join(root, 'same size')
      const { mtime } = lstatSync(path)
      writeFileSync(path, text)
      utimesSync(path, mtime, mtime)
    })
    expect(next.told).toEqual(['+same size'])
    layers = next.layers
  }
})

test('a directory with a temporary file in it has its old time in the next step too', async () => {
  const snapshotter = newSnapshotter()
  const passing: Act = (root) => {
    write('etc/temporary', '')(root)
    rmSync(join(root, 'etc/temporary'))
  }
  await using base = await snapshotter.view(BASE, IDLE)
  const { mtimeMs } = lstatSync(join(base.rootfs, 'etc'))
  let last = await step(snapshotter, BASE, passing)
  for (const act of [passing, write('other', ''), passing]) {
    last = await step(snapshotter, last.layers, act)
    expect(lstatSync(join(last.rootfs, 'etc')).mtimeMs).toBe(mtimeMs)
  }
})

test('files of a directory that was moved are told where they are now', async () => {
  const snapshotter = newSnapshotter()
  const first = await step(snapshotter, BASE, (root) => {
    mkdirSync(join(root, 'b/sub'), { recursive: true })
    write('b/sub/x', '1')(root)
  })
  const second = await step(snapshotter, first.layers, (root) => {
    renameSync(join(root, 'b/sub'), join(root, 'etc/sub'))
    renameSync(join(root, 'b'), join(root, 'c'))
  })
  expect(second.told).toEqual(['-b', '+c', '+etc/sub', '+etc/sub/x'])
  await using made = await newSnapshotter().view(second.layers, IDLE)
  expect(await listState(made.rootfs)).toEqual(await listState(second.rootfs))
})

test('a file that is where it is because its directory was moved is told with its capability', async () => {
  const root = newDirectory()
  mkdirSync(join(root, 'd'))
  write('d/x', '1')(root)
  const before = await readRecords(root, HELPER, IDLE)
  await outliveTick(root, before)
  renameSync(join(root, 'd'), join(root, 'e'))
  write('new', '2')(root)
  const capability = Buffer.from('a capability')
  const tree = {
    root,
    before,
    hasFormerContent: () => Promise.resolve(true),
    withCapability: (entry: FileEntry) => Promise.resolve({ ...entry, capability }),
    walked: () => undefined,
  }
  const told: unknown[] = []
  for await (const change of walkChanges(tree, HELPER, IDLE))
    told.push(change.type === 'upsert' ? [change.entry.path, change.entry.capability] : change)
  expect(told).toEqual([
    { type: 'delete', path: 'd' },
    ['e', undefined],
    ['e/x', capability],
    ['new', undefined],
  ])
})
