import { join } from 'node:path'
import { expect, test } from 'vitest'
import { digestOf, MEDIA_TYPE } from '../../../src/core/index.ts'
import { createIndexLock, createOciLayout, readLayoutIndex } from '../../../src/store/index.ts'
import { fileSession, IDLE, newDirectory } from '../../support/layer-files.ts'
import { memoryRepository } from '../../support/registry-image.ts'

/** A manifest of its own that refers to something. */
function referrer(number: number) {
  const source = memoryRepository()
  const empty = { mediaType: 'application/vnd.oci.empty.v1+json', digest: digestOf('{}'), size: 2 }
  const subject = { mediaType: MEDIA_TYPE.ociManifest, digest: digestOf('subject'), size: 7 }
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociManifest,
    artifactType: `application/vnd.example.${number}`,
    config: empty,
    layers: [],
    subject,
  }
  const descriptor = source.add(MEDIA_TYPE.ociManifest, Buffer.from(JSON.stringify(manifest)))
  return { subject, descriptor, open: () => source.open(descriptor, IDLE) }
}

test('names and referrers that several write to one layout at once all stay, and wait for who holds the lock', async () => {
  const directory = newDirectory()
  const held = await fileSession().lock(directory, 'exclusive', { wait: true }, IDLE)
  let written = 0
  const writers = Array.from({ length: 8 }, async (_, number) => {
    const layout = createOciLayout(directory, createIndexLock(fileSession(), directory))
    const { descriptor, open } = referrer(number)
    await layout.put(descriptor, open, IDLE)
    await layout.tag(descriptor, `name-${number}`, IDLE)
    written += 1
  })
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(written).toBe(0)
  expect(readLayoutIndex(join(directory, 'index.json')).manifests).toEqual([])
  await held?.[Symbol.asyncDispose]()
  await Promise.all(writers)
  const layout = createOciLayout(directory)
  expect(await layout.referrers(referrer(0).subject.digest, IDLE)).toHaveLength(8)
  for (let number = 0; number < 8; number += 1)
    expect((await layout.resolve(`name-${number}`, IDLE)).digest).toBe(referrer(number).descriptor.digest)
})
