import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { type Descriptor, digestOf, MEDIA_TYPE, OssbError } from '../../../src/core/index.ts'
import { createRegistryExporter } from '../../../src/exporters/index.ts'
import { readAll } from '../../../src/io/index.ts'
import type { Image, StreamedRepository } from '../../../src/oci/index.ts'
import { imageOf, layerOf, recordingJob } from '../../support/sample-image.ts'

const blob = (text: string) => layerOf(Buffer.from(text), 'uncompressed')

/** A repository in memory that writes down what is asked of it, and refuses what leads to something missing. */
function recordingRepository(failOn: (call: string) => boolean = () => false) {
  const calls: string[] = []
  const held = new Map<string, Buffer>()
  const called = (call: string) => {
    calls.push(call)
    if (failOn(call)) throw new OssbError('ERR_OSSB_REGISTRY', `Cannot ${call}: 500`, { hint: 'Try later.' })
  }
  const repository: StreamedRepository = {
    has: async ({ digest }) => held.has(digest),
    open: async ({ digest }) => Readable.from([held.get(digest)]),
    resolve: () => Promise.reject(new Error('not asked for')),
    async put(expected, open) {
      called(`put ${nameOf(expected)}`)
      const bytes = await readAll(await open(), 1 << 20, expected.digest)
      expect(digestOf(bytes)).toBe(expected.digest)
      for (const reference of bytes.toString().match(/sha256:[a-f0-9]{64}/g) ?? [])
        if (nameOf(expected) !== 'config') expect(held.has(reference)).toBe(true)
      held.set(expected.digest, bytes)
    },
    async stream({ bytes, descriptor }) {
      const all = await readAll(bytes, 1 << 20, 'a layer')
      called(`stream ${nameOf(await descriptor)}`)
      held.set((await descriptor).digest, all)
    },
    async tag(manifest, tag) {
      called(`tag ${tag}`)
      expect(held.has(manifest.digest)).toBe(true)
    },
  }
  return { repository, calls, held }
}

function nameOf({ mediaType }: Descriptor): string {
  return /(config|manifest|index|layer)/.exec(mediaType)?.[0] ?? mediaType
}

const push = (
  image: Image | readonly Image[],
  names: readonly string[],
  repositories: Readonly<Record<string, StreamedRepository>>,
  signal?: AbortSignal,
) =>
  createRegistryExporter({
    names,
    format: 'oci',
    repository: ({ registry, repository }) => {
      const found = repositories[`${registry}/${repository}`]
      if (found === undefined) throw new Error(`unexpected ${registry}/${repository}`)
      return found
    },
  }).export([image].flat(), recordingJob(signal))

describe('createRegistryExporter()', () => {
  test('pushes layers, config, manifest and then the tags, once for a repository', async () => {
    const { repository, calls } = recordingRepository()
    const result = await push(
      imageOf([blob('a'), blob('b'), blob('a')]),
      ['r.io/x:1', 'r.io/x:2', 'r.io/x:1'],
      { 'r.io/x': repository },
    )
    expect(calls).toEqual(['put layer', 'put layer', 'put config', 'put manifest', 'tag 1', 'tag 2'])
    expect(result.descriptor.mediaType).toBe(MEDIA_TYPE.ociManifest)
    expect(result.outputs).toEqual(['registry r.io/x:1', 'registry r.io/x:2'])
  })

  test('pushes several images as an index, after their manifests', async () => {
    const { repository, calls } = recordingRepository()
    const arm = imageOf([blob('b')], { architecture: 'arm64' })
    const result = await push(
      [imageOf([blob('a')]), { ...arm, platform: { os: 'linux', architecture: 'arm64' } }],
      ['r.io/x'],
      {
        'r.io/x': repository,
      },
    )
    expect(calls).toEqual([
      'put layer',
      'put layer',
      'put config',
      'put config',
      'put manifest',
      'put manifest',
      'put index',
      'tag latest',
    ])
    expect(result.descriptor.mediaType).toBe(MEDIA_TYPE.ociIndex)
  })

  test('sets no tag and pushes no manifest when a layer fails', async () => {
    const { repository, calls } = recordingRepository((call) => call === 'put layer')
    await expect(push(imageOf([blob('a')]), ['r.io/x:1'], { 'r.io/x': repository })).rejects.toThrow(
      'Cannot put layer: 500',
    )
    expect(calls).toEqual(['put layer'])
  })

  test('pushes to every repository, whatever becomes of the others, and reports every failure', async () => {
    const good = recordingRepository()
    const noTag = recordingRepository((call) => call === 'tag 2')
    const noLayer = recordingRepository((call) => call === 'put layer')
    const repositories = {
      'a.io/x': noLayer.repository,
      'b.io/x': good.repository,
      'c.io/x': noTag.repository,
    }
    const failure = await push(
      imageOf([blob('a')]),
      ['a.io/x', 'b.io/x', 'c.io/x:1', 'c.io/x:2', 'c.io/x:3'],
      repositories,
    ).catch((error: unknown) => error)
    expect(failure).toMatchObject({
      code: 'ERR_OSSB_REGISTRY',
      hint: 'Try later.',
      message: 'Cannot push: 2 failures:\n- Cannot put layer: 500\n- Cannot tag 2: 500',
      cause: { errors: [{ message: 'Cannot put layer: 500' }, { message: 'Cannot tag 2: 500' }] },
    })
    expect(good.calls.at(-1)).toBe('tag latest')
    expect(noTag.calls.slice(-3)).toEqual(['tag 1', 'tag 2', 'tag 3'])
  })

  test('tells the repository where layers are known to be', async () => {
    const { repository } = recordingRepository()
    const layers = [{ ...blob('a'), origin: 'r.io/base' }, blob('b')]
    const seen: unknown[] = []
    await createRegistryExporter({
      names: ['r.io/x'],
      format: 'oci',
      repository: (_, { mountFrom }) => {
        seen.push(layers.map(({ descriptor }) => mountFrom(descriptor)))
        return repository
      },
    }).export([imageOf(layers)], recordingJob())
    expect(seen).toEqual([['r.io/base', undefined]])
  })

  test('stops with the reason of the signal', async () => {
    const { repository, calls } = recordingRepository()
    const reason = new OssbError('ERR_OSSB_INTERRUPTED', 'stopped')
    await expect(
      push(imageOf([blob('a')]), ['r.io/x'], { 'r.io/x': repository }, AbortSignal.abort(reason)),
    ).rejects.toBe(reason)
    expect(calls).toEqual([])
  })

  test.each([
    [[], 'Cannot push an image without a name'],
    [[`r.io/x@sha256:${'a'.repeat(64)}`], 'a digest is not a name that can be given'],
    [['r.io/X'], 'must be lower-case'],
  ])('refuses the names %j before anything is pushed', (names, message) => {
    expect(() =>
      createRegistryExporter({ names, format: 'oci', repository: () => expect.unreachable() }),
    ).toThrow(message)
  })
})
