import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as wait } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { createCodec } from '../../../src/codec/index.ts'
import { digestOf, type Job } from '../../../src/core/index.ts'
import type { Layer } from '../../../src/oci/index.ts'
import { createCopySnapshotter } from '../../../src/snapshot/index.ts'
import { openWorkspace, storePaths } from '../../../src/store/index.ts'
import { archive, fileSession, HELPER, IDLE, newDirectory } from '../../support/layer-files.ts'

async function makeSnapshotter() {
  const paths = storePaths(join(newDirectory(), 'cache'))
  const session = fileSession()
  const workspace = await openWorkspace(paths, session, IDLE)
  const codec = createCodec({ workers: 0 })
  const snapshotter = createCopySnapshotter({ paths, workspace, helper: HELPER, session, codec })
  return { paths, workspace, snapshotter, [Symbol.asyncDispose]: () => workspace[Symbol.asyncDispose]() }
}

function baseLayer(tar: Buffer, more: Partial<Layer> = {}): Layer {
  const digest = digestOf(tar)
  const descriptor = { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest, size: tar.length }
  return { diffId: digest, descriptor, open: () => Promise.resolve(Readable.from([tar])), ...more }
}

test('a base is unpacked once, and kept', async () => {
  await using made = await makeSnapshotter()
  const layers = [
    baseLayer(archive({ path: 'a', content: 'one' })),
    baseLayer(archive({ path: '.wh.a' }, { path: 'b' })),
  ]
  const { rootfs } = await made.snapshotter.view(layers, IDLE)
  expect(readdirSync(rootfs)).toEqual(['b'])
  expect(rootfs.startsWith(made.paths.snapshots)).toBe(true)
  const again = createCopySnapshotter({
    paths: made.paths,
    workspace: made.workspace,
    helper: HELPER,
    session: fileSession(),
    codec: createCodec({ workers: 0 }),
  })
  const unreadable = layers.map((layer) => ({ ...layer, open: () => Promise.reject(new Error('not again')) }))
  expect((await again.view(unreadable, IDLE)).rootfs).toBe(rootfs)
})

test('a layer that does not come ends the others, and keeps nothing', async () => {
  await using made = await makeSnapshotter()
  let stopped: unknown
  const gone = new Error('gone')
  const never = (job: Job) =>
    new Promise<void>((_resolve, reject) => {
      job.signal.addEventListener('abort', () => {
        stopped = job.signal.reason
        reject(new Error('stopped'))
      })
    })
  const slow = () => wait(30)
  const layers = [
    baseLayer(archive({ path: 'a' }), { fetch: slow }),
    baseLayer(archive({ path: 'b' }), { fetch: () => Promise.reject(gone) }),
    baseLayer(archive({ path: 'c' }), { fetch: never }),
  ]
  await expect(made.snapshotter.view(layers, IDLE)).rejects.toBe(gone)
  expect(stopped).toBe(gone)
  expect(() => readdirSync(made.paths.snapshots)).toThrow('ENOENT')
})

test('a layer whose content is not what its diff_id says keeps nothing', async () => {
  await using made = await makeSnapshotter()
  const wrong = baseLayer(archive({ path: 'a' }), { diffId: digestOf('another') })
  await expect(made.snapshotter.view([wrong], IDLE)).rejects.toMatchObject({ code: 'ERR_OSSB_INTEGRITY' })
  expect(() => readdirSync(made.paths.snapshots)).toThrow('ENOENT')
})

async function* piecesOf(bytes: Buffer) {
  for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000)
}

test.each([
  ['right', 0],
  ['damaged at first', 700],
])('the first layer is unpacked while it comes, %s', async (_what, damage) => {
  await using made = await makeSnapshotter()
  const tar = archive({ path: 'a', content: 'x'.repeat(100_000) }, { path: 'b' })
  const first = Buffer.from(tar)
  if (damage > 0) first.write('damage', damage)
  let opened = 0
  const layer = baseLayer(tar, {
    open: () => {
      opened += 1
      return Promise.resolve(Readable.from([tar]))
    },
    fetch: () => Promise.reject(new Error('it is on its way already')),
    follow: () => Promise.resolve({ bytes: piecesOf(first), whole: wait(10) }),
  })
  const { rootfs } = await made.snapshotter.view([layer, baseLayer(archive({ path: 'c' }))], IDLE)
  expect(readdirSync(rootfs)).toEqual(['a', 'b', 'c'])
  expect(readFileSync(join(rootfs, 'a'), 'utf8')).toBe('x'.repeat(100_000))
  expect(opened).toBe(damage > 0 ? 1 : 0)
})

test('a first layer that does not come whole keeps nothing', async () => {
  await using made = await makeSnapshotter()
  const tar = archive({ path: 'a', content: 'x'.repeat(100_000) })
  const gone = new Error('gone')
  const whole = wait(10).then(() => Promise.reject(gone))
  const bytes = async function* () {
    yield* piecesOf(tar.subarray(0, 5000))
    await whole
  }
  const layer = baseLayer(tar, { follow: () => Promise.resolve({ bytes: bytes(), whole }) })
  await expect(made.snapshotter.view([layer], IDLE)).rejects.toBe(gone)
  expect(() => readdirSync(made.paths.snapshots)).toThrow('ENOENT')
})

test('a snapshot of an earlier boot, or one without a mark, is made again', async () => {
  await using made = await makeSnapshotter()
  const layers = [baseLayer(archive({ path: 'a', content: 'right' }))]
  const { rootfs } = await made.snapshotter.view(layers, IDLE)
  writeFileSync(join(rootfs, 'a'), '')
  writeFileSync(join(rootfs, '../boot'), 'another')
  await using again = await makeSnapshotter()
  const second = createCopySnapshotter({
    paths: made.paths,
    workspace: again.workspace,
    helper: HELPER,
    session: fileSession(),
    codec: createCodec({ workers: 0 }),
  })
  const view = await second.view(layers, IDLE)
  expect(view.rootfs).toBe(rootfs)
  expect(readFileSync(join(rootfs, 'a'), 'utf8')).toBe('right')
})
