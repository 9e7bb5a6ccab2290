import { expect, test } from 'vitest'
import { distributionBase } from '../support/base-image.ts'
import { identities } from '../support/identity.ts'
import { type ImageDocuments, readOciArchive } from '../support/read-archive.ts'
import { writeTwoStageContext } from '../support/two-stage.ts'
import { createWorkspace } from '../support/workspace.ts'

const everyone = await identities()
const [first, last = first] = everyone

test('who builds, where and when changes nothing: the same digests from an empty cache', async () => {
  const builders = [first, last].filter((identity) => identity !== undefined)
  const images: ImageDocuments[] = []
  for (const identity of builders) {
    await using workspace = await createWorkspace(identity)
    await workspace.fill('app', writeTwoStageContext)
    const base = `BASE=oci-layout://${await distributionBase()}:base`
    const epoch = [
      '--build-arg',
      'SOURCE_DATE_EPOCH=1700000000',
      '-o',
      'type=oci,dest=out.tar,rewrite-timestamp=true',
    ]
    await workspace.mustOssb(['build', '--build-arg', base, ...epoch, 'app'])
    images.push(await readOciArchive(workspace.file('out.tar')))
  }
  const [one, two] = images
  expect(images).toHaveLength(2)
  expect(two?.config.rootfs.diff_ids).toEqual(one?.config.rootfs.diff_ids)
  expect(two?.digest).toBe(one?.digest)
  const mark = { annotations: { 'buildkit/rewritten-timestamp': '1700000000' } }
  expect(one?.manifest.layers.at(-1)).toMatchObject(mark)
  expect(one?.manifest.layers[0]).not.toMatchObject(mark)
})
