import { describe, expect, test } from 'vitest'
import { parsePlatform } from '../../../src/core/index.ts'
import { resolveForPlatform } from '../../../src/registry/index.ts'
import { addImage, addIndex, memoryRepository, recordingJob } from '../../support/registry-image.ts'

const REFERENCE = { name: 'v1', reference: 'r.io/app:v1' }

/** An index with an image for each platform; answers with the name of the one that is chosen. */
async function choose(platforms: readonly string[], wanted: string): Promise<string | undefined> {
  const repository = memoryRepository()
  const entries = platforms.map((text, at) => {
    const [os = '', architecture = '', variant] = text.split('/')
    const platform = { os, architecture, ...(variant === undefined ? {} : { variant }) }
    return { ...addImage(repository, [at + 1]), ...(text === '' ? {} : { platform }) }
  })
  repository.tags.set('v1', addIndex(repository, entries))
  const { manifest } = await resolveForPlatform(repository, REFERENCE, parsePlatform(wanted), recordingJob())
  return platforms[entries.findIndex((entry) => entry.digest === manifest.digest)]
}

test.each([
  [['linux/arm64', 'linux/amd64'], 'linux/amd64', 'linux/amd64'],
  [['linux/arm/v5', 'linux/arm/v6'], 'linux/arm/v7', 'linux/arm/v6'],
  [['linux/arm/v6', 'linux/arm/v7'], 'linux/arm', 'linux/arm/v7'],
  [['linux/arm64/v8'], 'linux/arm64', 'linux/arm64/v8'],
  [['linux/arm64'], 'linux/arm64/v8', 'linux/arm64'],
  [['linux/amd64', 'linux/amd64/v2', 'linux/amd64/v3'], 'linux/amd64/v3', 'linux/amd64/v3'],
  [['linux/amd64', 'linux/amd64/v2'], 'linux/amd64/v3', 'linux/amd64/v2'],
  [['linux/x86_64'], 'linux/amd64', 'linux/x86_64'],
  [['unknown/unknown', 'linux/amd64'], 'linux/amd64', 'linux/amd64'],
  [['linux/arm64/v8.2', 'linux/arm64/v9'], 'linux/arm64/v9.2', 'linux/arm64/v9'],
  [['linux/arm/v6', 'linux/arm/v8', 'linux/arm/v7'], 'linux/arm/v8', 'linux/arm/v8'],
  [['linux/amd64', 'linux/amd64'], 'linux/amd64', 'linux/amd64'],
  [[''], 'linux/amd64', ''],
] as const)('E4 resolveForPlatform() in %j for %s takes %s', async (platforms, wanted, expected) => {
  expect(await choose(platforms, wanted)).toBe(expected)
})

describe('E4 resolveForPlatform() fails when nothing fits:', () => {
  test.each([
    [
      ['linux/amd64/v3'],
      'linux/amd64',
      'It has images for linux/amd64/v3; choose one of them with --platform.',
    ],
    [['linux/386'], 'linux/amd64', 'It has images for linux/386; choose one of them with --platform.'],
    [
      ['linux/arm/v7', 'windows/amd64'],
      'linux/arm64',
      'It has images for linux/arm/v7, windows/amd64; choose one of them with --platform.',
    ],
    [['unknown/unknown'], 'linux/amd64', 'Its index states no platform for any image.'],
    [['', ''], 'linux/amd64', 'Its index states no platform for any image.'],
  ] as const)('%j for %s', async (platforms, wanted, hint) => {
    await expect(choose(platforms, wanted)).rejects.toMatchObject({
      code: 'ERR_OSSB_NOT_FOUND',
      message: `Cannot use "r.io/app:v1": it has no image for ${wanted}`,
      hint,
    })
  })
})

test('resolveForPlatform() looks into indexes in indexes, and takes an image without index as it is', async () => {
  const repository = memoryRepository()
  const image = addImage(repository, [5])
  const inner = addIndex(repository, [{ ...image, platform: { os: 'linux', architecture: 'amd64' } }])
  const root = addIndex(repository, [inner])
  repository.tags.set('v1', root)
  const job = recordingJob()
  const resolved = await resolveForPlatform(repository, REFERENCE, parsePlatform('linux/amd64'), job)
  expect(resolved).toMatchObject({ root, manifest: { digest: image.digest } })
  repository.tags.set('v1', image)
  expect(await resolveForPlatform(repository, REFERENCE, parsePlatform('linux/s390x'), job)).toEqual({
    root: image,
    manifest: image,
  })
})

test('E4 resolveForPlatform() reads an index that is named again and again once, and no more than four deep', async () => {
  const repository = memoryRepository()
  const opened: string[] = []
  const counting = {
    ...repository,
    open: (...[content, job]: Parameters<typeof repository.open>) => {
      opened.push(content.digest)
      return repository.open(content, job)
    },
  }
  const image = {
    ...addImage(repository, [5]),
    platform: { os: 'linux', architecture: 'arm', variant: 'v6' },
  }
  const levels = [addIndex(repository, [image])]
  for (let depth = 2; depth <= 4; depth += 1)
    levels.push(
      addIndex(
        repository,
        Array.from({ length: 1000 }, () => levels.at(-1) ?? image),
      ),
    )
  repository.tags.set('v1', levels.at(-1) ?? image)
  const found = await resolveForPlatform(counting, REFERENCE, parsePlatform('linux/arm/v7'), recordingJob())
  expect(found.manifest.digest).toBe(image.digest)
  expect(opened).toHaveLength(4)
  repository.tags.set('v1', addIndex(repository, [levels.at(-1) ?? image]))
  await expect(
    resolveForPlatform(counting, REFERENCE, parsePlatform('linux/arm/v7'), recordingJob()),
  ).rejects.toMatchObject({ code: 'ERR_OSSB_NOT_FOUND' })
})
