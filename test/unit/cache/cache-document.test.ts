import { describe, expect, test } from 'vitest'
import { parseCacheDocument, stacksOf } from '../../../src/cache/cache-document.ts'
import { exportCache } from '../../../src/cache/export-cache.ts'
import { createImportedCache } from '../../../src/cache/imported-cache.ts'
import { withInlineCache } from '../../../src/cache/inline-cache.ts'
import { createLostLayers } from '../../../src/cache/lost-layers.ts'
import { writeDocument } from '../../../src/cache/write-document.ts'
import { type Descriptor, digestOf, MEDIA_TYPE } from '../../../src/core/index.ts'
import { systemClock } from '../../../src/io/index.ts'
import type { ContentStore, Image, Layer } from '../../../src/oci/index.ts'
import { memoryRepository, recordingJob } from '../../support/registry-image.ts'

const CONFIG = 'application/vnd.buildkit.cacheconfig.v0'
const [A, B, C] = [digestOf('a'), digestOf('b'), digestOf('c')]
const [KEY, OTHER] = [digestOf('key'), digestOf('other')]

/** As BuildKit writes it: Go leaves out a parent 0, and records are linked by their inputs. */
const BUILDKIT = JSON.stringify({
  layers: [{ blob: A, parent: -1 }, { blob: B }, { blob: C, parent: -1 }],
  records: [
    { digest: 'sha256:source' },
    {
      layers: [{ layer: 1, createdAt: '2026-01-02T03:04:05.678901234Z' }],
      digest: OTHER,
      inputs: [[{ link: 0 }, { selector: 'sha256:sel', link: 0 }]],
    },
    { digest: KEY, chains: [{ layers: [0, 2], createdAt: '0001-01-01T00:00:00Z' }] },
  ],
})

const layerOf = (repository: ReturnType<typeof memoryRepository>, text: string, created?: string): Layer => {
  const descriptor = repository.add(MEDIA_TYPE.ociLayerGzip, Buffer.from(text))
  return {
    diffId: digestOf(`unpacked ${text}`),
    descriptor,
    ...(created === undefined ? {} : { created }),
    open: (job) => repository.open(descriptor, job),
  }
}

function setUp() {
  const [here, there] = [memoryRepository(), memoryRepository()]
  const job = recordingJob()
  const read = (name = 'cache') =>
    createImportedCache(
      { repository: there, name, title: 'r.io/cache' },
      {
        store: here as unknown as ContentStore,
        lost: createLostLayers(),
        fetch: (content, source, own) => here.put(content, () => source.open(content, own), own),
        job,
      },
    )
  const target = { repository: there, tag: 'cache', title: 'r.io/cache', form: 'manifest' } as const
  const brought = () => [...there.contents.keys()].filter((digest) => here.contents.has(digest))
  return { here, there, job, read, target, brought }
}

describe("BuildKit's description of a cache", () => {
  test('is read with its shorthands', () => {
    const document = parseCacheDocument(Buffer.from(BUILDKIT))
    const stacks = document.records.map((record) => stacksOf(document, record))
    expect(stacks.map((some) => some.map((stack) => stack.map(({ blob }) => blob)))).toEqual([
      [],
      [[A, B]],
      [[A, C]],
    ])
  })

  test.each([
    ['no JSON', 'x'],
    ['another document', '{"layers":{}}'],
    ['a number', '3'],
    ['a blob that is no digest', '{"layers":[{"blob":"sha256:1","parent":-1}]}'],
  ])('is refused where it is %s', (_name, text) => {
    expect(() => parseCacheDocument(Buffer.from(text))).toThrow(
      expect.objectContaining({ code: 'ERR_OSSB_CACHE' }),
    )
  })

  test.each([
    [
      'circle',
      [
        { blob: A, parent: 1 },
        { blob: B, parent: 0 },
      ],
    ],
    ['hole', [{ blob: A, parent: 7 }]],
  ])('gives no stack for a %s of parents', (_name, layers) => {
    const document = { layers, records: [{ layers: [{ layer: 0 }] }] }
    expect(stacksOf(document, { layers: [{ layer: 0 }] })).toEqual([])
    expect(stacksOf(document, { chains: [{ layers: [9] }] })).toEqual([])
  })

  test('keeps what others wrote when our results are added, their links moved along', () => {
    const before = parseCacheDocument(Buffer.from(BUILDKIT))
    const entries = [{ key: digestOf('mine'), stack: [{ blob: C }, { blob: A }], at: '2026-11-01T00:00:00Z' }]
    const after = writeDocument(entries, before)
    expect(after.records.map(({ digest }) => digest)).toEqual([digestOf('mine'), 'sha256:source', OTHER, KEY])
    expect(after.records[2]?.inputs).toEqual([[{ link: 1 }, { selector: 'sha256:sel', link: 1 }]])
    const blobs = after.records.map((record) => stacksOf(after, record)[0]?.map(({ blob }) => blob))
    expect(blobs).toEqual([[C, A], undefined, [A, B], [A, C]])
    expect(writeDocument(entries, after)).toEqual(writeDocument(entries, writeDocument(entries, after)))
  })

  test('stays small enough for BuildKit: the oldest results of others give way', () => {
    const many = Array.from({ length: 9000 }, (_none, i) => ({
      key: digestOf(`old ${i}`),
      stack: [{ blob: digestOf(`layer ${i}`) }],
      at: new Date(1e12 + i * 1000).toISOString(),
    }))
    const after = writeDocument([{ key: KEY, stack: [{ blob: A }] }], writeDocument(many))
    expect(JSON.stringify(after).length).toBeLessThan(1024 * 1024)
    const digests = after.records.map(({ digest }) => digest)
    expect(digests.slice(0, 2)).toEqual([KEY, digestOf('old 8999')])
    expect(digests).not.toContain(digestOf('old 0'))
  })
})

describe('a shared cache', () => {
  test.each(['manifest', 'index', 'docker'] as const)('comes back as it was written, as %s', async (form) => {
    const { here, there, job, read, target, brought } = setUp()
    const layers = [layerOf(here, 'base'), layerOf(here, 'step', 'then')]
    await exportCache([{ key: KEY, layers, content: OTHER }], { ...target, form }, systemClock, job)
    here.contents.clear()
    const found = await read().find({ key: KEY }, job)
    expect(found?.content).toBe(OTHER)
    expect(found?.layers.map(({ diffId, descriptor, created }) => [diffId, descriptor, created])).toEqual(
      layers.map(({ diffId, descriptor, created }) => [diffId, descriptor, created]),
    )
    expect(await read().find({ key: OTHER }, job)).toBeUndefined()
    // Nothing is brought here before it is needed.
    expect(brought()).toEqual([])
    await found?.layers[1]?.fetch?.(job)
    expect(brought()).toEqual([layers[1]?.descriptor.digest])
    expect(there.tags.get('cache')?.mediaType).toBe(
      { manifest: MEDIA_TYPE.ociManifest, index: MEDIA_TYPE.ociIndex, docker: MEDIA_TYPE.dockerManifestList }[
        form
      ],
    )
    expect(job.events).toEqual([])
  })

  test('gives one blob in two results the time of each', async () => {
    const { here, job, read, target } = setUp()
    const entries = ['early', 'late'].map((time) => ({
      key: digestOf(time),
      layers: [layerOf(here, 'same', time)],
    }))
    await exportCache(entries, target, systemClock, job)
    for (const { key, layers } of entries)
      expect((await read().find({ key }, job))?.layers[0]?.created).toBe(layers[0]?.created)
  })

  test('comes back from the config of an image', async () => {
    const { here, there, job, read } = setUp()
    const layers = [
      layerOf(there, 'base'),
      layerOf(there, 'step', '2026-02-02T00:00:00Z'),
      layerOf(there, 'link', 'x'),
    ]
    const image: Image = {
      platform: { os: 'linux', architecture: 'amd64' },
      layers,
      config: {
        architecture: 'amd64',
        os: 'linux',
        rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
        history: [{ created: '2001-01-01T00:00:00Z' }, { created: '2026-02-02T00:00:00Z' }, { created: 'x' }],
      },
    }
    const entries = [
      { key: KEY, layers: layers.slice(0, 2), content: OTHER },
      { key: digestOf('link'), layers: layers.slice(2) },
      { key: digestOf('not in the image'), layers: [layerOf(here, 'elsewhere')] },
    ]
    const { config } = withInlineCache(image, entries)
    const put = (mediaType: string, document: object) =>
      there.add(mediaType, Buffer.from(JSON.stringify(document)))
    const manifest = put(MEDIA_TYPE.ociManifest, {
      schemaVersion: 2,
      config: put(MEDIA_TYPE.ociConfig, config),
      layers: layers.map(({ descriptor }) => descriptor),
    })
    await there.tag(manifest, 'cache', job)
    const found = await read().find({ key: KEY }, job)
    expect(found?.layers.map(({ created, diffId }) => [created, diffId])).toEqual([
      [undefined, layers[0]?.diffId],
      ['2026-02-02T00:00:00Z', layers[1]?.diffId],
    ])
    expect((await read().find({ key: digestOf('link') }, job))?.layers).toHaveLength(1)
    expect(await read().find({ key: digestOf('not in the image') }, job)).toBeUndefined()
  })

  test('is never written over an image', async () => {
    const { here, there, job, target } = setUp()
    const config = there.add(MEDIA_TYPE.ociConfig, Buffer.from('{}'))
    const image = there.add(
      MEDIA_TYPE.ociManifest,
      Buffer.from(JSON.stringify({ schemaVersion: 2, config, layers: [] })),
    )
    await there.tag(image, 'cache', job)
    const exported = exportCache([{ key: KEY, layers: [layerOf(here, 'x')] }], target, systemClock, job)
    await expect(exported).rejects.toMatchObject({ code: 'ERR_OSSB_CACHE' })
    expect(there.tags.get('cache')).toEqual(image)
  })

  test.each([
    ['another document', CONFIG, '3'],
    ['no JSON', CONFIG, 'x'],
    ['layers that are not there', CONFIG, BUILDKIT],
    ['an image', MEDIA_TYPE.ociConfig, '{"architecture":"","os":"","rootfs":{"type":"layers"}}'],
  ])('that is %s is a miss', async (_name, mediaType, text) => {
    const { there, job, read } = setUp()
    const config = there.add(mediaType, Buffer.from(text))
    const manifest = { schemaVersion: 2, config, layers: [] as Descriptor[] }
    await there.tag(there.add(MEDIA_TYPE.ociManifest, Buffer.from(JSON.stringify(manifest))), 'cache', job)
    expect(await read().find({ key: KEY }, job)).toBeUndefined()
  })

  test('is written once more where another writer was in between, so that all that was found stays', async () => {
    const { there, job, read, target } = setUp()
    const writers = Array.from({ length: 8 }, (_none, i) => {
      const here = memoryRepository()
      return exportCache(
        [{ key: digestOf(`${i}`), layers: [layerOf(here, `layer ${i}`)] }],
        target,
        systemClock,
        job,
      )
    })
    await Promise.all(writers)
    const cache = read()
    for (let i = 0; i < 8; i += 1)
      expect((await cache.find({ key: digestOf(`${i}`) }, job))?.layers).toHaveLength(1)
    const before = there.contents.size
    await exportCache(
      [{ key: digestOf('0'), layers: [layerOf(memoryRepository(), 'layer 0')] }],
      target,
      systemClock,
      job,
    )
    expect(there.contents.size).toBe(before)
  })
})
