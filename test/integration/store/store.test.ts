import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { createLostLayers, createStepCache, pruneCache } from '../../../src/cache/index.ts'
import { type Descriptor, digestHex, digestOf, type Job, MEDIA_TYPE } from '../../../src/core/index.ts'
import { temporaryBeside, writeFileAtomic, writeStreamAtomic } from '../../../src/io/index.ts'
import { openFileSession } from '../../../src/native/index.ts'
import { createOciLayout, openWorkspace, storePaths } from '../../../src/store/index.ts'
import { bytesOf, fileSession, HELPER, IDLE, inPieces, newDirectory } from '../../support/layer-files.ts'

const describeText = (text: string, mediaType = 'm'): Descriptor => ({
  mediaType,
  digest: digestOf(text),
  size: Buffer.byteLength(text),
})
const opening = (text: string) => () => Promise.resolve(Readable.from([Buffer.from(text)]))

function makeStore() {
  const root = join(newDirectory(), 'cache')
  return { root, paths: storePaths(root), store: createOciLayout(root) }
}

async function onSmallDisk(use: (disk: string) => Promise<void>): Promise<void> {
  const disk = join(newDirectory(), 'disk')
  mkdirSync(disk)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'none', disk])
  try {
    await use(disk)
  } finally {
    execFileSync('umount', [disk])
  }
}

describe('files that appear whole', () => {
  test('take any name that a file can have', () => {
    const path = join(newDirectory(), '漢'.repeat(85))
    writeFileAtomic(path, 'text')
    expect(readFileSync(path, 'utf8')).toBe('text')
    expect(Buffer.byteLength(temporaryBeside(path).split('/').at(-1) ?? '')).toBeLessThan(100)
  })

  test.each(['writeFileAtomic', 'writeStreamAtomic'] as const)(
    '%s leaves the old file and nothing else when the disk is full',
    async (how) => {
      await onSmallDisk(async (disk) => {
        const path = join(disk, 'file')
        writeFileAtomic(path, 'old')
        const big = Buffer.alloc(1024 * 1024)
        const written =
          how === 'writeFileAtomic'
            ? new Promise((resolve) => resolve(writeFileAtomic(path, big)))
            : writeStreamAtomic(path, inPieces(big, 10_000), () => {}, IDLE)
        await expect(written).rejects.toMatchObject({
          code: 'ERR_OSSB_NO_SPACE',
          message: expect.stringMatching(
            new RegExp(
              `^Cannot write "${path}": no space left on the device \\(\\d+kB free in "${disk}"${how === 'writeFileAtomic' ? ', 1.05MB needed' : ''}\\)$`,
            ),
          ),
        })
        expect(readdirSync(disk)).toEqual(['file'])
        expect(readFileSync(path, 'utf8')).toBe('old')
      })
    },
  )

  test('leave nothing when they are stopped', async () => {
    const directory = newDirectory()
    const abort = new AbortController()
    async function* chunks() {
      yield Buffer.from('a')
      abort.abort(new Error('stop'))
      yield Buffer.from('b')
    }
    const job: Job = { signal: abort.signal, emit: () => {} }
    await expect(writeStreamAtomic(join(directory, 'file'), chunks(), () => {}, job)).rejects.toThrow('stop')
    expect(readdirSync(directory)).toEqual([])
  })
})

describe('an OCI layout as a store', () => {
  test('gives back what was put, and keeps nothing that is not what it should be', async () => {
    const { store, paths } = makeStore()
    await store.put(describeText('content'), opening('content'), IDLE)
    expect(String(await bytesOf(await store.open(describeText('content'), IDLE)))).toBe('content')
    await expect(store.put(describeText('right'), opening('wrong'), IDLE)).rejects.toMatchObject({
      code: 'ERR_OSSB_INTEGRITY',
    })
    expect(await store.has(describeText('right'), IDLE)).toBe(false)
    expect(readdirSync(join(paths.blobs, 'sha256'))).toEqual([digestHex(digestOf('content'))])
  })

  test('notices a blob that was damaged on the disk', async () => {
    const { store, paths } = makeStore()
    await store.put(describeText('content'), opening('content'), IDLE)
    writeFileSync(paths.blob(digestOf('content')), 'c0ntent')
    await expect(bytesOf(await store.open(describeText('content'), IDLE))).rejects.toMatchObject({
      code: 'ERR_OSSB_INTEGRITY',
    })
    truncateSync(paths.blob(digestOf('content')), 3)
    expect(await store.has(describeText('content'), IDLE)).toBe(false)
    await store.put(describeText('content'), opening('content'), IDLE)
    expect(String(await bytesOf(await store.open(describeText('content'), IDLE)))).toBe('content')
  })

  test('says where there is no room', async () => {
    await onSmallDisk(async (disk) => {
      const store = createOciLayout(join(disk, 'cache'))
      const big = 'x'.repeat(1024 * 1024)
      await expect(store.put(describeText(big), opening(big), IDLE)).rejects.toMatchObject({
        code: 'ERR_OSSB_NO_SPACE',
      })
      await expect(store.ingest('m', inPieces(Buffer.from(big)), IDLE)).rejects.toMatchObject({
        code: 'ERR_OSSB_NO_SPACE',
      })
      expect(readdirSync(join(disk, 'cache/blobs/sha256'))).toEqual([])
    })
  })

  test('gives names to manifests, one each, and takes a digest for a name', async () => {
    const { store } = makeStore()
    const [one, two] = ['{"schemaVersion":2,"layers":[]}', '{"schemaVersion":2,"manifests":[]}'].map(
      (text) => text,
    )
    await store.put(describeText(one ?? ''), opening(one ?? ''), IDLE)
    await store.put(describeText(two ?? ''), opening(two ?? ''), IDLE)
    await store.tag(describeText(one ?? '', MEDIA_TYPE.ociManifest), 'a', IDLE)
    await store.tag(describeText(two ?? '', MEDIA_TYPE.ociIndex), 'b', IDLE)
    await store.tag(describeText(two ?? '', MEDIA_TYPE.ociIndex), 'a', IDLE)
    expect((await store.resolve('a', IDLE)).digest).toBe(digestOf(two ?? ''))
    expect(await store.resolve(digestOf(one ?? ''), IDLE)).toEqual(
      describeText(one ?? '', MEDIA_TYPE.ociManifest),
    )
    await expect(store.resolve('c', IDLE)).rejects.toMatchObject({ code: 'ERR_OSSB_NOT_FOUND' })
    await store.put(describeText('no document'), opening('no document'), IDLE)
    await expect(store.resolve(digestOf('no document'), IDLE)).rejects.toMatchObject({
      code: 'ERR_OSSB_NOT_FOUND',
    })
  })
})

describe('openWorkspace()', () => {
  test('removes what builds left that are gone, and nothing of those that run', async () => {
    const { paths } = makeStore()
    mkdirSync(join(paths.work, 'gone/1/fs'), { recursive: true })
    writeFileSync(join(paths.work, 'gone.lock'), '')
    mkdirSync(join(paths.work, 'without-lock'), { recursive: true })
    await using other = openFileSession(HELPER)
    await using running = await openWorkspace(paths, other, IDLE)
    const theirs = running.directory()
    await using mine = await openWorkspace(paths, fileSession(), IDLE)
    expect(mine.directory()).toBe(join(mine.path, '1'))
    const name = (path: string) => path.slice(paths.work.length + 1)
    expect(readdirSync(paths.work).sort()).toEqual(
      [mine, running].flatMap(({ path }) => [name(path), `${name(path)}.lock`]).sort(),
    )
    expect(existsSync(theirs)).toBe(true)
  })

  test('what is discarded goes while it is open, and what an aborted job left of it at the end', async () => {
    const { paths } = makeStore()
    const controller = new AbortController()
    const workspace = await openWorkspace(paths, fileSession(), { ...IDLE, signal: controller.signal })
    const [large, kept, late] = [workspace.directory(), workspace.directory(), workspace.directory()]
    for (const path of [large, late]) mkdirSync(join(path, 'a/b'), { recursive: true })
    workspace.discard(large)
    await expect.poll(() => existsSync(large)).toBe(false)
    expect(existsSync(kept)).toBe(true)
    controller.abort(new Error('enough'))
    workspace.discard(late)
    await workspace[Symbol.asyncDispose]()
    expect(readdirSync(paths.work)).toEqual([])
  })

  test('many at once take nothing from each other', async () => {
    const { paths } = makeStore()
    const sessions = Array.from({ length: 8 }, () => openFileSession(HELPER))
    try {
      for (let round = 0; round < 5; round += 1) {
        const workspaces = await Promise.all(sessions.map((session) => openWorkspace(paths, session, IDLE)))
        for (const workspace of workspaces) writeFileSync(join(workspace.directory(), 'mine'), '')
        await Promise.all(workspaces.map((workspace) => workspace[Symbol.asyncDispose]()))
      }
      expect(readdirSync(paths.work)).toEqual([])
    } finally {
      await Promise.all(sessions.map((session) => session[Symbol.asyncDispose]()))
    }
  })
})

describe('the cache of steps', () => {
  const key = digestOf('key')
  const layerOf = (text: string, more: object = {}) => ({
    diffId: digestOf(text),
    descriptor: describeText(text),
    open: () => Promise.reject(new Error('not from here')),
    ...more,
  })
  const makeCache = () => {
    const made = makeStore()
    const fetchRemote = (descriptor: Descriptor, _origin: string, job: Job) =>
      made.store.put(descriptor, opening(descriptor.digest === digestOf('far') ? 'far' : 'wrong'), job)
    return { ...made, cache: createStepCache({ ...made, fetchRemote, lost: createLostLayers() }) }
  }

  test('finds what was saved while its layers are here', async () => {
    const { cache, store, paths } = makeCache()
    await store.put(describeText('layer'), opening('layer'), IDLE)
    await cache.save(key, { layers: [layerOf('layer', { created: 'then' })] }, IDLE)
    const found = (await cache.find({ key }, IDLE))?.layers
    expect(found?.map(({ diffId, created }) => [diffId, created])).toEqual([[digestOf('layer'), 'then']])
    expect(String(await bytesOf((await found?.[0]?.open(IDLE)) ?? Readable.from([])))).toBe('layer')
    truncateSync(paths.blob(digestOf('layer')), 1)
    expect(await cache.find({ key }, IDLE)).toBeUndefined()
  })

  test('gets layers of a base from where they came', async () => {
    const { cache, store } = makeCache()
    await cache.save(key, { layers: [layerOf('far', { origin: 'r.io/base' })] }, IDLE)
    const [layer] = (await cache.find({ key }, IDLE))?.layers ?? []
    await layer?.fetch?.(IDLE)
    expect(await store.has(describeText('far'), IDLE)).toBe(true)
    await cache.save(key, { layers: [layerOf('elsewhere', { origin: 'r.io/base' })] }, IDLE)
    const [wrong] = (await cache.find({ key }, IDLE))?.layers ?? []
    await expect(wrong?.open(IDLE)).rejects.toMatchObject({ code: 'ERR_OSSB_INTEGRITY' })
  })

  test.each([
    ['nothing', ''],
    ['half of a record', '{"layers":[{"diffId":"sha2'],
    ['another document', '{"layers":[{"diffId":"sha256:1"}]}'],
    ['a list', '[]'],
    ['null', 'null'],
  ])('takes %s for a miss', async (_what, text) => {
    const { cache, paths } = makeCache()
    writeFileAtomic(paths.step(key), text)
    expect(await cache.find({ key }, IDLE)).toBeUndefined()
  })
})

describe('pruneCache()', () => {
  async function fill() {
    const made = makeStore()
    const { store, paths } = made
    const config = '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
    const manifest = JSON.stringify({
      schemaVersion: 2,
      config: describeText(config),
      layers: [describeText('layer')],
    })
    for (const text of [config, manifest, 'layer', 'orphan'])
      await store.put(describeText(text), opening(text), IDLE)
    await store.tag(describeText(manifest, MEDIA_TYPE.ociManifest), 'r.io/a:1', IDLE)
    for (const path of [join(paths.snapshots, 'x/fs'), join(paths.mounts, 'm'), join(paths.work, 'w')])
      mkdirSync(path, { recursive: true })
    writeFileSync(join(paths.snapshots, 'x/fs/file'), 'x'.repeat(5000))
    writeFileAtomic(paths.step(digestOf('s')), '{"layers":[]}')
    return { ...made, kept: [config, manifest, 'layer'].map((text) => digestHex(digestOf(text))).sort() }
  }

  test('keeps images with all they need, and with all nothing', async () => {
    const { paths, kept } = await fill()
    const outcome = await pruneCache(paths, { all: false }, fileSession(), HELPER, IDLE)
    expect(outcome).toMatchObject({ blobs: 1, snapshots: 1, steps: 1 })
    expect(outcome.bytes).toBeGreaterThanOrEqual(5006)
    expect(readdirSync(join(paths.blobs, 'sha256')).sort()).toEqual(kept)
    for (const path of [paths.snapshots, paths.steps, paths.mounts, paths.work])
      expect(existsSync(path)).toBe(false)
    await pruneCache(paths, { all: true }, fileSession(), HELPER, IDLE)
    expect(readdirSync(join(paths.blobs, 'sha256'))).toEqual([])
  })

  test('touches nothing while a build runs, and needs no cache', async () => {
    const { paths } = await fill()
    await using other = openFileSession(HELPER)
    await using _lock = await other.lock(paths.lock, 'shared', { wait: true }, IDLE)
    await expect(pruneCache(paths, { all: true }, fileSession(), HELPER, IDLE)).rejects.toMatchObject({
      code: 'ERR_OSSB_CACHE',
      message: `Cannot prune "${paths.root}": a build is using it`,
    })
    expect(readdirSync(join(paths.blobs, 'sha256'))).toHaveLength(4)
    const nowhere = storePaths(join(newDirectory(), 'missing'))
    expect(await pruneCache(nowhere, { all: true }, fileSession(), HELPER, IDLE)).toMatchObject({ bytes: 0 })
  })
})
