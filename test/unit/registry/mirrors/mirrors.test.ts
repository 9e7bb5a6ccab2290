import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { type Descriptor, type ErrorCode, MEDIA_TYPE, OssbError } from '../../../../src/core/index.ts'
import { readAll, verified } from '../../../../src/io/index.ts'
import type { Repository } from '../../../../src/oci/index.ts'
import { copyBlob } from '../../../../src/registry/copy.ts'
import { HttpFailure } from '../../../../src/registry/http/http-failure.ts'
import type { Place } from '../../../../src/registry/mirrors/location.ts'
import { createMirrorMemory, type Source } from '../../../../src/registry/mirrors/mirror-memory.ts'
import { createMirroredRepository } from '../../../../src/registry/mirrors/mirrors.ts'
import type { RemoteRepository } from '../../../../src/registry/repository.ts'
import { type MemoryRepository, memoryRepository, recordingJob } from '../../../support/registry-image.ts'

const BYTES = Buffer.from('0123456789'.repeat(10))

interface Fake extends Source {
  readonly content: MemoryRepository
  readonly asked: string[]
}

/** A place in memory that notes what it is asked for; `broken` stands in for its answers. */
function placeCalled(registry: string, broken: Partial<Repository> = {}, more: Partial<Place> = {}): Fake {
  const content = memoryRepository()
  content.add(MEDIA_TYPE.ociLayerGzip, BYTES)
  const asked: string[] = []
  const repository: RemoteRepository = {
    ...content,
    has: (wanted, job) => (broken.has === undefined ? content.has(wanted, job) : broken.has(wanted, job)),
    remove: () => Promise.resolve(),
    stream: () => Promise.reject(new Error('not asked for')),
    referrers: () => Promise.resolve([]),
    resolve(name, job) {
      asked.push(`resolve ${name}`)
      return broken.resolve === undefined ? content.resolve(name, job) : broken.resolve(name, job)
    },
    async open(wanted, job) {
      asked.push('open')
      const opened = broken.open === undefined ? content.open(wanted, job) : broken.open(wanted, job)
      const chunks = await opened
      return Readable.from(verified(chunks, wanted, registry))
    },
  }
  const place: Place = {
    registry,
    repository: 'library/app',
    insecure: false,
    serves: 'all',
    isMirror: registry !== 'origin',
    ...more,
  }
  return { place, repository, content, asked }
}

const failing = (code: ErrorCode, message: string, cause?: unknown) => () =>
  Promise.reject(new OssbError(code, message, { cause }))

const status = (code: number) =>
  new HttpFailure(
    'GET',
    {
      status: code,
      url: new URL('http://mirror/v2/'),
      headers: () => [],
    },
    '',
    'registry',
  )

function lab(...places: [Fake, ...Fake[]]) {
  let now = 0
  const clock = { now: () => now, random: () => 0, sleep: () => Promise.resolve() }
  const write = places.at(-1) as Fake
  const memory = createMirrorMemory(clock)
  const repository = createMirroredRepository(
    'origin/library/app',
    () => Promise.resolve({ read: places, write }),
    memory,
  )
  const pass = (ms: number) => (now += ms)
  return { repository, pass, job: recordingJob() }
}

const layer = (): Descriptor => memoryRepository().add(MEDIA_TYPE.ociLayerGzip, BYTES)
const read = async (repository: Repository, blob: Descriptor, job = recordingJob()) =>
  await readAll(await repository.open(blob, job), 1000, 'the blob')
const warnings = ({ events }: ReturnType<typeof recordingJob>) =>
  events.flatMap((event) => (event.type === 'warning' ? [event.message] : []))
const logged = ({ events }: ReturnType<typeof recordingJob>) =>
  events.flatMap((event) => (event.type === 'log' ? [Buffer.from(event.chunk).toString()] : []))

test('a mirror is asked first, and it is said where content comes from', async () => {
  const [mirror, origin] = [placeCalled('mirror'), placeCalled('origin')]
  mirror.content.tags.set('1', layer())
  const { repository, job } = lab(mirror, origin)
  await repository.resolve('1', job)
  expect(await read(repository, layer(), job)).toEqual(BYTES)
  expect(origin.asked).toEqual([])
  expect(logged(job)).toEqual(['origin/library/app comes from mirror/library/app\n'])
})

test('what a mirror does not have is asked of the next, without a warning', async () => {
  const [first, second, origin] = [placeCalled('first'), placeCalled('second'), placeCalled('origin')]
  origin.content.tags.set('1', layer())
  const { repository, job } = lab(first, second, origin)
  expect(await repository.resolve('1', job)).toEqual(layer())
  expect([first.asked, second.asked]).toEqual([['resolve 1'], ['resolve 1']])
  expect(job.events).toEqual([])
})

test.each([
  ['UNAUTHORIZED', 'ERR_OSSB_UNAUTHORIZED', status(401), 2],
  ['trouble', 'ERR_OSSB_REGISTRY', status(503), 1],
  ['a refusal', 'ERR_OSSB_REGISTRY', status(400), 2],
  ['no connection', 'ERR_OSSB_NETWORK', undefined, 1],
  ['nonsense', 'ERR_OSSB_IMAGE_INVALID', undefined, 2],
] as const)(
  'a mirror with %s is passed over; only one that is down is left alone',
  async (_name, code, cause, asked) => {
    const resolve = failing(code, 'Cannot find "1": broken', cause)
    const [mirror, origin] = [placeCalled('mirror', { resolve }), placeCalled('origin')]
    origin.content.tags.set('1', layer())
    const { repository, job, pass } = lab(mirror, origin)
    await repository.resolve('1', job)
    await repository.resolve('1', job)
    expect(mirror.asked).toHaveLength(asked)
    expect(warnings(job)).toEqual(['Cannot find "1": broken. Asking the next place.'])
    pass(30_000)
    await repository.resolve('1', job)
    expect(mirror.asked).toHaveLength(asked + 1)
  },
)

test("a mistake of the user's own is no reason to ask elsewhere", async () => {
  const resolve = failing('ERR_OSSB_USAGE', 'Cannot read the file')
  const [mirror, origin] = [placeCalled('mirror', { resolve }), placeCalled('origin')]
  const { repository, job } = lab(mirror, origin)
  await expect(repository.resolve('1', job)).rejects.toThrow('Cannot read the file')
  expect(origin.asked).toEqual([])
})

test('the last error tells of every place, also of one that was left alone', async () => {
  const down = placeCalled('down', { resolve: failing('ERR_OSSB_NETWORK', 'Cannot find "1" in "down"') })
  const origin = placeCalled('origin')
  const { repository, job } = lab(down, placeCalled('empty'), origin)
  for (let time = 0; time < 2; time += 1)
    await expect(repository.resolve('1', job)).rejects.toMatchObject({
      code: 'ERR_OSSB_NOT_FOUND',
      message: [
        'Cannot find "1" for "origin/library/app": none of 3 places gave it:',
        '  - Cannot find "1" in "down"',
        '  - Cannot find 1 in memory',
        '  - Cannot find 1 in memory',
      ].join('\n'),
    })
  expect(down.asked).toHaveLength(1)
})

test('tags are not asked of a mirror for digests; content is', async () => {
  const mirror = placeCalled('mirror', {}, { serves: 'digests' })
  const origin = placeCalled('origin')
  mirror.content.tags.set('1', layer())
  origin.content.tags.set('1', layer())
  const { repository, job } = lab(mirror, origin)
  await repository.resolve('1', job)
  await read(repository, layer(), job)
  expect([mirror.asked, origin.asked]).toEqual([['open'], ['resolve 1']])
})

test('a blob that breaks off goes on from the next place, byte for byte', async () => {
  const open = () =>
    Promise.resolve(
      Readable.from(
        (async function* () {
          yield BYTES.subarray(0, 33)
          await Promise.resolve()
          throw new OssbError('ERR_OSSB_NETWORK', 'Cannot pull the blob: reset')
        })(),
      ),
    )
  const [mirror, origin] = [placeCalled('mirror', { open }), placeCalled('origin')]
  const { repository, job } = lab(mirror, origin)
  expect(await read(repository, layer(), job)).toEqual(BYTES)
  expect(warnings(job)).toEqual(['Cannot pull the blob: reset. Asking the next place.'])
  await read(repository, layer(), job)
  expect([mirror.asked, origin.asked]).toEqual([['open'], ['open', 'open']])
})

test('wrong bytes of a mirror are refused, and each place is asked in turn', async () => {
  const wrong = Buffer.from(BYTES).fill('x', 50, 51)
  const open = () => Promise.resolve(Readable.from([wrong]))
  const liars = [placeCalled('first', { open }), placeCalled('second', { open })] as const
  const origin = placeCalled('origin')
  const { repository, job } = lab(...liars, origin)
  const destination = memoryRepository()
  await copyBlob({ source: repository, destination }, layer(), job)
  expect(destination.contents.get(layer().digest)).toEqual(BYTES)
  expect([liars[0].asked, liars[1].asked, origin.asked]).toEqual([['open'], ['open'], ['open']])
  expect(warnings(job)).toEqual(
    ['first', 'second'].map((name) =>
      expect.stringMatching(`from ${name}: its digest is .* Asking another place`),
    ),
  )
})

test('wrong bytes everywhere are an error, and nothing is kept', async () => {
  const open = () => Promise.resolve(Readable.from([Buffer.alloc(BYTES.length)]))
  const places = [placeCalled('mirror', { open }), placeCalled('origin', { open })] as const
  const { repository, job } = lab(...places)
  const destination = memoryRepository()
  await expect(copyBlob({ source: repository, destination }, layer(), job)).rejects.toMatchObject({
    code: 'ERR_OSSB_INTEGRITY',
  })
  expect(destination.contents.size).toBe(0)
  expect(places[0].asked).toHaveLength(1)
})

test('to put and to tag are affairs of the registry itself', async () => {
  const [mirror, origin] = [placeCalled('mirror'), placeCalled('origin')]
  const { repository, job } = lab(mirror, origin)
  origin.content.contents.clear()
  await repository.put(layer(), () => Promise.resolve(Readable.from([BYTES])), job)
  await repository.tag(layer(), 'new', job)
  expect(origin.content.contents.size).toBe(1)
  expect([mirror.content.tags.size, origin.content.tags.size]).toEqual([0, 1])
})

test('content is there when one place has it; trouble of the last place is an error', async () => {
  const [mirror, origin] = [placeCalled('mirror'), placeCalled('origin')]
  const { repository, job } = lab(mirror, origin)
  origin.content.contents.clear()
  expect(await repository.has(layer(), job)).toBe(true)
  mirror.content.contents.clear()
  expect(await repository.has(layer(), job)).toBe(false)
  const down = placeCalled('down', { has: failing('ERR_OSSB_NETWORK', 'Cannot look') })
  await expect(lab(mirror, down).repository.has(layer(), job)).rejects.toThrow('Cannot look')
})

test('an abort is none of the failures that lead elsewhere', async () => {
  const stop = new AbortController()
  const mirror = placeCalled('mirror', {
    resolve() {
      stop.abort(new Error('enough'))
      return Promise.reject(new OssbError('ERR_OSSB_NETWORK', 'aborted'))
    },
  })
  const origin = placeCalled('origin')
  await expect(lab(mirror, origin).repository.resolve('1', recordingJob(stop.signal))).rejects.toThrow(
    'enough',
  )
  expect(origin.asked).toEqual([])
})
