import { describe, expect, test } from 'vitest'
import { digestOf } from '../../../../src/core/index.ts'
import { createRegistryExporter } from '../../../../src/exporters/index.ts'
import { copy } from '../../../../src/registry/index.ts'
import { endLabs, pushLab, sampleBlob } from '../../../support/push-lab.ts'
import { addImage, memoryRepository, recordingJob } from '../../../support/registry-image.ts'
import { imageOf, layerOf } from '../../../support/sample-image.ts'

endLabs()

type Lab = Awaited<ReturnType<typeof pushLab>>

const layers = [10_000, 300_000, 50_000].map((size) => layerOf(sampleBlob(size).bytes, 'uncompressed'))
const arm = {
  ...imageOf([layers[0]!], { architecture: 'arm64' }),
  platform: { os: 'linux', architecture: 'arm64' },
}

const exporterTo = (lab: Lab, names: readonly string[], ignoreImmutableTags = false) =>
  createRegistryExporter({
    names,
    format: 'oci',
    ignoreImmutableTags,
    repository: (reference, behaviour) => lab.client.repository(reference, behaviour),
  })

test('a push goes in order: blobs, largest first, manifests by digest, the index by digest, tags', async () => {
  const lab = await pushLab()
  const { descriptor } = await exporterTo(lab, [
    `${lab.registry.host}/r/x:1`,
    `${lab.registry.host}/r/x:2`,
  ]).export([imageOf(layers), arm], lab.job)
  const puts = lab.registry.seen
    .filter(({ method }) => method === 'PUT')
    .map(({ path, bytes }) => ({ path, bytes }))
  const kinds = puts.map(({ path }) =>
    path.includes('/manifests/') ? path.replace(/.*\/manifests\//, '') : 'blob',
  )
  expect(kinds.slice(0, 5)).toEqual(['blob', 'blob', 'blob', 'blob', 'blob'])
  expect(kinds.slice(5, 8)).toEqual([
    expect.stringMatching(/^sha256:/),
    expect.stringMatching(/^sha256:/),
    descriptor.digest,
  ])
  expect(kinds.slice(8).sort()).toEqual(['1', '2'])
  const heads = lab.registry.seen
    .filter(({ method }) => method === 'HEAD')
    .map(({ path }) => path.replace(/.*\//, ''))
  expect(heads.slice(0, 3)).toEqual(
    [layers[1], layers[2], layers[0]].map((layer) => layer?.descriptor.digest),
  )
})

describe('D16: one destination of three that fails', () => {
  test('does not keep the others from their tags, and each failure is told', async () => {
    const lab = await pushLab({
      rules: [
        { method: 'PUT', path: /r\/b\/manifests\/1$/, fault: { type: 'status', status: 403 } },
        { method: 'POST', path: /r\/c\/blobs/, fault: { type: 'status', status: 405 } },
      ],
    })
    const names = ['r/a', 'r/b', 'r/c'].map((name) => `${lab.registry.host}/${name}:1`)
    const { job } = lab
    await expect(exporterTo(lab, names).export([imageOf(layers)], job)).rejects.toMatchObject({
      message: expect.stringMatching(
        /^Cannot push: \d failures:\n(?=[^]*the tag "1" in .*r\/b": 403)(?=[^]*r\/c": 405)/,
      ),
    })
    const tags = [...lab.registry.content.manifests.keys()].filter((key) => key.endsWith(' 1'))
    expect(tags).toEqual(['r/a 1'])
  })

  test('the layers are sent once for all three', async () => {
    const lab = await pushLab()
    const names = ['r/a', 'r/b', 'r/c'].map((name) => `${lab.registry.host}/${name}:1`)
    await exporterTo(lab, names).export([imageOf(layers)], lab.job)
    const blobs = lab.registry.lines('PUT').filter((line) => line.includes('upload'))
    expect(blobs).toHaveLength(4)
    expect([...lab.registry.content.manifests.keys()].filter((key) => key.endsWith(' 1'))).toHaveLength(3)
  })

  test('a tag that was left as it is, is not among the outputs', async () => {
    const lab = await pushLab({ immutableTags: { status: 412, body: '' } })
    const names = ['1', '2'].map((tag) => `${lab.registry.host}/r/x:${tag}`)
    await exporterTo(lab, names.slice(0, 1)).export([arm], lab.job)
    const { outputs } = await exporterTo(lab, names, true).export([imageOf(layers)], lab.job)
    expect(outputs).toEqual([`registry ${names[1]}`])
  })
})

describe('D19: two builders at once', () => {
  test('push the same blobs and the same tag: both succeed, and the tag is one of the two', async () => {
    const lab = await pushLab()
    const other = await pushLab({})
    const shared = sampleBlob(200_000).bytes
    const sides = [lab.client, other.client].map((client) => {
      const source = memoryRepository()
      const remote = client.repository({ registry: lab.registry.host, repository: 'r/x' })
      const image = addImage(source, [1000])
      source.add('application/octet-stream', shared)
      return { source, remote, image }
    })
    await Promise.all(
      sides.map(async ({ source, remote, image }) => {
        const job = recordingJob()
        const { blob, open } = sampleBlob(shared)
        await remote.put(blob, open, job)
        await copy(source, remote, image, job)
        await remote.tag(image, 'v1', job)
      }),
    )
    const tagged = digestOf(lab.registry.content.manifests.get('r/x v1')?.bytes ?? '')
    expect(sides.map(({ image }) => image.digest)).toContain(tagged)
    const back = memoryRepository()
    await copy(lab.remote, back, await lab.remote.resolve('v1', lab.job), lab.job)
    expect(back.contents.has(tagged)).toBe(true)
  })
})
