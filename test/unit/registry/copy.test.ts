import { expect, test } from 'vitest'
import { type Descriptor, OssbError } from '../../../src/core/index.ts'
import type { Repository } from '../../../src/oci/index.ts'
import { copy } from '../../../src/registry/index.ts'
import { addImage, addIndex, memoryRepository, recordingJob } from '../../support/registry-image.ts'

/** The same repository, with a look at what is put and how much of it at once. */
function watching(
  repository: Repository,
  around: (content: Descriptor, put: () => Promise<void>) => Promise<void>,
) {
  return {
    ...repository,
    put: (...[content, open, job]: Parameters<Repository['put']>) =>
      around(content, () => repository.put(content, open, job)),
  }
}

test('copy() puts everything before what names it', async () => {
  const source = memoryRepository()
  const shared = addImage(source, [10, 20])
  const index = addIndex(source, [shared, addImage(source, [30]), shared])
  const destination = memoryRepository()
  const order: string[] = []
  await copy(
    source,
    watching(destination, async (content, put) => {
      await put()
      order.push(content.digest)
    }),
    index,
    recordingJob(),
  )
  expect([...destination.contents.keys()].sort()).toEqual([...source.contents.keys()].sort())
  expect(order).toHaveLength(8)
  expect(order.at(-1)).toBe(index.digest)
})

test('copy() moves as many blobs at once as it may, large ones first', async () => {
  const source = memoryRepository()
  const image = addImage(source, [1000, 5000, 3000, 4000, 2000])
  let inside = 0
  let most = 0
  const sizes: number[] = []
  const destination = watching(memoryRepository(), async (content, put) => {
    sizes.push(content.size)
    inside += 1
    most = Math.max(most, inside)
    await put()
    inside -= 1
  })
  await copy(source, destination, image, recordingJob(), { concurrency: 2 })
  expect(most).toBe(2)
  expect(sizes.slice(0, 5)).toEqual([5000, 4000, 3000, 2000, 1000])
})

test('copy() fills up what is missing below a manifest that is there', async () => {
  const source = memoryRepository()
  const image = addImage(source, [10])
  const destination = memoryRepository()
  destination.contents.set(image.digest, source.contents.get(image.digest) as Buffer)
  await copy(source, destination, image, recordingJob())
  expect(destination.contents.size).toBe(source.contents.size)
})

test('copy() ends with the first failure, stops the rest and leaves no manifest', async () => {
  const source = memoryRepository()
  const image = addImage(source, [100, 200, 300, 400, 500, 600])
  const started: number[] = []
  const memory = memoryRepository()
  const destination = watching(memory, (content, put) => {
    started.push(content.size)
    return content.size === 600 ? Promise.reject(new OssbError('ERR_OSSB_REGISTRY', 'no')) : put()
  })
  await expect(copy(source, destination, image, recordingJob(), { concurrency: 1 })).rejects.toThrow('no')
  expect(started).toEqual([600])
  expect(memory.contents.has(image.digest)).toBe(false)
})

test('copy() ends with the reason of an abort', async () => {
  const source = memoryRepository()
  const image = addImage(source, [10])
  const controller = new AbortController()
  const destination = watching(memoryRepository(), () => {
    controller.abort(new Error('interrupted'))
    return Promise.reject(new Error('consequence'))
  })
  await expect(copy(source, destination, image, recordingJob(controller.signal))).rejects.toThrow(
    'interrupted',
  )
})

test('copy() refuses indexes without end', async () => {
  const source = memoryRepository()
  let index = addImage(source, [10])
  for (let depth = 0; depth < 5; depth += 1) index = addIndex(source, [index])
  await expect(copy(source, memoryRepository(), index, recordingJob())).rejects.toMatchObject({
    code: 'ERR_OSSB_IMAGE_INVALID',
  })
})
