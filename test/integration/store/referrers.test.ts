import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { type Descriptor, digestOf, MEDIA_TYPE } from '../../../src/core/index.ts'
import { copy } from '../../../src/registry/index.ts'
import { createOciLayout, readLayoutIndex } from '../../../src/store/index.ts'
import { IDLE, newDirectory } from '../../support/layer-files.ts'
import { addImage, memoryRepository } from '../../support/registry-image.ts'

const SBOM = 'application/vnd.example.sbom'

function subjectIn(source: ReturnType<typeof memoryRepository>) {
  const image = addImage(source, [100])
  const refer = (artifactType: string, mediaType: string = MEDIA_TYPE.ociManifest): Descriptor => {
    const config = source.add('application/vnd.oci.empty.v1+json', Buffer.from('{}'))
    const content =
      mediaType === MEDIA_TYPE.ociIndex
        ? { manifests: [] }
        : { config, layers: [], annotations: { by: 'alice' } }
    const document = { schemaVersion: 2, mediaType, artifactType, subject: image, ...content }
    return source.add(mediaType, Buffer.from(JSON.stringify(document)))
  }
  return { image, refer }
}

test('a layout tells what refers to a manifest that was put into it, and still knows its one image', async () => {
  const source = memoryRepository()
  const { image, refer } = subjectIn(source)
  const [signature, sbom] = [refer('application/vnd.example.signature'), refer(SBOM, MEDIA_TYPE.ociIndex)]
  const directory = newDirectory()
  const layout = createOciLayout(directory)
  await copy(source, layout, image, IDLE)
  await layout.tag(image, 'v1', IDLE)
  for (const referrer of [signature, sbom, signature]) await copy(source, layout, referrer, IDLE)

  expect(await layout.referrers(image.digest, IDLE)).toEqual([
    { ...signature, artifactType: 'application/vnd.example.signature', annotations: { by: 'alice' } },
    { ...sbom, artifactType: SBOM },
  ])
  expect(await layout.referrers(image.digest, IDLE, { artifactType: SBOM })).toHaveLength(1)
  expect(await layout.referrers(digestOf('nothing'), IDLE)).toEqual([])
  expect((await layout.resolve('', IDLE)).digest).toBe(image.digest)
  expect((await layout.resolve('v1', IDLE)).digest).toBe(image.digest)
  // Listed once each, without a name.
  expect(readLayoutIndex(join(directory, 'index.json')).manifests).toHaveLength(3)
})

test('a layout in which another tool listed the referrers by a tag is understood', async () => {
  const source = memoryRepository()
  const { image } = subjectIn(source)
  const listed = { mediaType: MEDIA_TYPE.ociManifest, digest: digestOf('x'), size: 1, artifactType: SBOM }
  const document = { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests: [listed] }
  const list = source.add(MEDIA_TYPE.ociIndex, Buffer.from(JSON.stringify(document)))
  const layout = createOciLayout(newDirectory())
  await copy(source, layout, image, IDLE)
  await layout.put(list, () => Promise.resolve(Readable.from([source.contents.get(list.digest)])), IDLE)
  await layout.tag(list, image.digest.replace(':', '-'), IDLE)
  expect(await layout.referrers(image.digest, IDLE)).toEqual([listed])
})

test('a referrer whose content is gone is none', async () => {
  const source = memoryRepository()
  const { image, refer } = subjectIn(source)
  const directory = newDirectory()
  const layout = createOciLayout(directory)
  const signature = refer('s')
  await copy(source, layout, signature, IDLE)
  expect(readFileSync(join(directory, 'index.json'), 'utf8')).toContain(signature.digest)
  rmSync(join(directory, 'blobs/sha256', signature.digest.slice(7)))
  expect(await layout.referrers(image.digest, IDLE)).toEqual([])
})
