import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { digestOf } from '../../../src/core/index.ts'
import { createContentFetcher } from '../../../src/solver/fetch-content.ts'
import { createOciLayout } from '../../../src/store/index.ts'
import { bytesOf, IDLE, newDirectory, recordingJob } from '../../support/layer-files.ts'

const RIGHT = Buffer.from('right '.repeat(50_000))
const CONTENT = { mediaType: 'application/octet-stream', digest: digestOf(RIGHT), size: RIGHT.length }

function sourceOf(...answers: readonly Buffer[]) {
  const left = [...answers]
  const open = () => Promise.resolve(Readable.from([left.shift() ?? Buffer.alloc(0)]))
  return { has: () => Promise.resolve(true), open }
}

test('content is read on its way to the store, once', async () => {
  const store = createOciLayout(newDirectory())
  const fetcher = createContentFetcher(store)
  const arrival = await fetcher.follow(CONTENT, sourceOf(RIGHT), IDLE)
  expect(await fetcher.follow(CONTENT, sourceOf(), IDLE)).toBeUndefined()
  expect((await bytesOf(arrival?.bytes ?? Readable.from([]))).equals(RIGHT)).toBe(true)
  await arrival?.whole
  expect(await store.has(CONTENT, IDLE)).toBe(true)
  expect(await createContentFetcher(store).follow(CONTENT, sourceOf(), IDLE)).toBeUndefined()
})

test('content that comes damaged is whole when it was asked for again, whatever was read of it', async () => {
  const store = createOciLayout(newDirectory())
  const job = recordingJob()
  const damaged = Buffer.from(RIGHT)
  damaged.write('wrong', 1000)
  const arrival = await createContentFetcher(store).follow(CONTENT, sourceOf(damaged, RIGHT), job)
  const read = await bytesOf(arrival?.bytes ?? Readable.from([]))
  await arrival?.whole
  expect(read.equals(RIGHT)).toBe(false)
  expect((await bytesOf(await store.open(CONTENT, IDLE))).equals(RIGHT)).toBe(true)
  expect(job.events).toEqual([expect.objectContaining({ type: 'warning' })])
})

test('content that never comes right fails whoever reads it, and is not kept', async () => {
  const store = createOciLayout(newDirectory())
  const damaged = Buffer.from(RIGHT)
  damaged.write('wrong', 1000)
  const arrival = await createContentFetcher(store).follow(CONTENT, sourceOf(damaged, damaged), IDLE)
  const failed = bytesOf(arrival?.bytes ?? Readable.from([]))
  await expect(failed).rejects.toMatchObject({ code: 'ERR_OSSB_INTEGRITY' })
  await expect(arrival?.whole).rejects.toMatchObject({ code: 'ERR_OSSB_INTEGRITY' })
  expect(await store.has(CONTENT, IDLE)).toBe(false)
})
