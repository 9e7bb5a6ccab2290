import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { createLostLayers, createStepCache, withoutLost } from '../../../src/cache/index.ts'
import { digestHex, digestOf, hostPlatform, type Job } from '../../../src/core/index.ts'
import { readAll } from '../../../src/io/index.ts'
import { copy } from '../../../src/registry/index.ts'
import { createImageProvider } from '../../../src/solver/index.ts'
import { createOciLayout, storePaths } from '../../../src/store/index.ts'
import { mustRun, startCommand } from '../../support/command.ts'
import { endLabs, pushLab, sampleBlob } from '../../support/push-lab.ts'
import { addImage, memoryRepository, recordingJob } from '../../support/registry-image.ts'

endLabs()

const DRIVER = new URL('../../support/pull-image.mjs', import.meta.url).pathname
const directories: string[] = []

afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true })
})

function newDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'ossb-state-'))
  directories.push(directory)
  return directory
}

/** A registry with an image of these layers, tagged "v1". */
async function imageInRegistry(sizes: readonly number[]) {
  const lab = await pushLab()
  const source = memoryRepository()
  const image = addImage(source, sizes, { architecture: hostPlatform().architecture })
  await copy(source, lab.remote, image, lab.job)
  await lab.remote.tag(image, 'v1', lab.job)
  return {
    lab,
    image,
    source,
    gets: () => lab.registry.lines('GET').filter((line) => line === 'GET blobs/D').length,
  }
}

const blobsOf = (directory: string) => join(storePaths(directory).blobs, 'sha256')

/** The names of the blobs of a layout that do not hold what they should. */
function wrongBlobs(directory: string): readonly string[] {
  const blobs = blobsOf(directory)
  return readdirSync(blobs)
    .filter((name) => !name.startsWith('.tmp-'))
    .filter(
      (name) =>
        createHash('sha256')
          .update(readFileSync(join(blobs, name)))
          .digest('hex') !== name,
    )
}

function randomNumbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

test('F9: a pull that is killed twenty times keeps no wrong blob, and the next one on the same store succeeds', async () => {
  const { lab, image, source } = await imageInRegistry([3_000_000, 2_000_000, 1_000_000, 500_000, 10])
  const directory = newDirectory()
  const args = [DRIVER, lab.registry.host, 'r/x', 'v1', directory]
  const random = randomNumbers(9)
  let killed = 0
  for (let round = 0; round < 20; round += 1) {
    // Where it is killed: once so many requests have come, and a little later than that.
    const before = lab.registry.seen.length
    const requests = 2 + Math.floor(random() * 8)
    const running = startCommand(process.execPath, args)
    let ended = false
    void running.done.then(() => (ended = true))
    await expect
      .poll(() => ended || lab.registry.seen.length - before >= requests, { interval: 5, timeout: 60_000 })
      .toBe(true)
    await new Promise((resolve) => setTimeout(resolve, random() * 20))
    running.child.kill('SIGKILL')
    if ((await running.done).signal === 'SIGKILL') killed += 1
    mkdirSync(blobsOf(directory), { recursive: true })
    expect(wrongBlobs(directory)).toEqual([])
    // Some rounds go on from what the killed ones left, and some begin with less.
    for (const name of readdirSync(blobsOf(directory)))
      if (random() < 0.4) rmSync(join(blobsOf(directory), name))
  }
  expect(killed).toBeGreaterThan(5)
  await mustRun(process.execPath, args)
  expect(wrongBlobs(directory)).toEqual([])
  const layout = createOciLayout(directory)
  expect((await layout.resolve('v1', lab.job)).digest).toBe(image.digest)
  const back = memoryRepository()
  await copy(layout, back, image, lab.job)
  expect([...back.contents.keys()].sort()).toEqual([...source.contents.keys()].sort())
}, 300_000)

test('F10: two processes that pull the same image into one store at once both succeed', async () => {
  const { lab, image, gets } = await imageInRegistry([3_000_000, 2_000_000, 1_000_000])
  const directory = newDirectory()
  const args = [DRIVER, lab.registry.host, 'r/x', 'v1', directory]
  await Promise.all([1, 2, 3].map(() => mustRun(process.execPath, args)))
  expect(wrongBlobs(directory)).toEqual([])
  expect(readdirSync(blobsOf(directory))).toHaveLength(5)
  expect((await createOciLayout(directory).resolve('v1', lab.job)).digest).toBe(image.digest)
  // Each of the four blobs once for each process at most.
  expect(gets()).toBeLessThanOrEqual(12)
})

describe('F11: content of the store that was damaged on the disk', () => {
  const flip = (path: string) => {
    const bytes = readFileSync(path)
    bytes[0] = (bytes[0] ?? 0) ^ 1
    writeFileSync(path, bytes)
  }

  async function inStore() {
    const { lab, source, gets } = await imageInRegistry([200_000, 1000])
    const paths = storePaths(newDirectory())
    const provider = () =>
      createImageProvider({
        archive: () => Promise.reject(new Error('there is no archive')),
        store: createOciLayout(paths.root),
        repository: ({ repository }) => lab.repository(repository),
      })
    const reference = `${lab.registry.host}/r/x:v1`
    /** All of the image, through the store, as a new build would read it. */
    const read = async (job: Job) => {
      const images = provider()
      const { manifest } = await images.resolve(reference, hostPlatform(), job)
      const layers = await images.layers(
        { kind: 'image', reference, manifest, platform: hostPlatform() },
        job,
      )
      return Promise.all(
        layers.map(async (layer) => digestOf(await readAll(await layer.open(job), 1e6, 'layer'))),
      )
    }
    return { paths, read, source, gets, provider, lab }
  }

  test('base images: it is removed and fetched again, with a warning, and nothing else is', async () => {
    const { paths, read, source, gets } = await inStore()
    const digests = await read(recordingJob())
    const before = gets()
    for (const digest of source.contents.keys()) {
      const job = recordingJob()
      flip(paths.blob(digest as `sha256:${string}`))
      expect(await read(job)).toEqual(digests)
      expect(job.events.filter(({ type }) => type === 'warning')).toMatchObject([
        {
          rule: 'DamagedContent',
          message: expect.stringMatching(`^Cannot use ${digest} from .* is fetched again.$`),
        },
      ])
      expect(wrongBlobs(paths.root)).toEqual([])
    }
    // The manifest is no blob.
    expect(gets()).toBe(before + source.contents.size - 1)
    const quiet = recordingJob()
    await read(quiet)
    expect(quiet.events.filter(({ type }) => type === 'warning')).toEqual([])
  })

  test('layers of a base in a step that is cached: the same', async () => {
    const { paths, lab, provider } = await inStore()
    const { blob, bytes, open } = sampleBlob(1000)
    await lab.remote.put(blob, open, lab.job)
    const store = createOciLayout(paths.root)
    const cache = createStepCache({
      paths,
      store,
      fetchRemote: provider().fetchRemote,
      lost: createLostLayers(),
    })
    const origin = `${lab.registry.host}/r/x`
    await store.put(blob, open, lab.job)
    await cache.save(
      digestOf('key'),
      { layers: [{ diffId: blob.digest, descriptor: blob, origin, open }] },
      lab.job,
    )
    flip(paths.blob(blob.digest))
    const [layer] = (await cache.find({ key: digestOf('key') }, lab.job))?.layers ?? []
    if (layer === undefined) throw new Error('the cache has lost its entry')
    expect((await readAll(await layer.open(lab.job), 1e6, 'layer')).equals(bytes)).toBe(true)
    expect(lab.job.events.filter(({ type }) => type === 'warning')).toMatchObject([
      { rule: 'DamagedContent' },
    ])
  })

  test('layers that a step made: it is removed, and its result is a miss from then on', async () => {
    const paths = storePaths(newDirectory())
    const store = createOciLayout(paths.root)
    const lost = createLostLayers()
    const fetchRemote = () => Promise.reject(new Error('from nowhere'))
    const cache = createStepCache({ paths, store, fetchRemote, lost })
    const { blob, open } = sampleBlob(1000)
    const job = recordingJob()
    const key = digestOf('key')
    await store.put(blob, open, job)
    await cache.save(key, { layers: [{ diffId: blob.digest, descriptor: blob, open }] }, job)
    flip(paths.blob(blob.digest))
    const seen: (string | undefined)[] = []
    const result = await withoutLost(
      lost,
      async () => {
        const [layer] = (await cache.find({ key }, job))?.layers ?? []
        seen.push(layer?.descriptor.digest)
        return layer === undefined ? 'made anew' : await readAll(await layer.open(job), 1e6, 'layer')
      },
      job,
    )
    expect(result).toBe('made anew')
    expect(seen).toEqual([blob.digest, undefined])
    expect(readdirSync(join(paths.blobs, 'sha256'))).not.toContain(digestHex(blob.digest))
    expect(job.events).toMatchObject([
      { type: 'warning', rule: 'LostCacheLayer', message: expect.stringContaining(blob.digest) },
    ])
  })
})
