import { expect, test } from 'vitest'
import type { CopyImageOptions, CreateIndexOptions, InspectImageOptions } from '../../../src/index.ts'
import { fakeApi, runCli } from '../../support/cli-host.ts'

const DESCRIPTOR = {
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  digest: 'sha256:ab',
  size: 2,
} as const

test('ossb copy hands its words and flags on', async () => {
  let seen: CopyImageOptions | undefined
  const args = [
    'copy',
    '--platform',
    'linux/arm64,linux/amd64',
    '--platform',
    'linux/s390x',
    '--referrers',

    '-t',
    'a',
    '--tag',
    'b',
    '--upload-chunk-size',
    '1m',
    '--insecure-registry',
    'x:1',
    '--cache-dir',
    '/c',
    '-q',
    'x:1/a:1',
    'oci:dir',
  ]
  const api = fakeApi({
    copyImage(options) {
      seen = options
      return Promise.resolve({ descriptor: DESCRIPTOR, names: ['oci:dir:latest'], referrers: 0 })
    },
  })
  const { exitCode, stdout, stderr } = await runCli(args, api)
  expect(exitCode).toBe(0)
  expect(seen).toMatchObject({
    source: 'x:1/a:1',
    destination: 'oci:dir',
    platforms: ['linux/arm64', 'linux/amd64', 'linux/s390x'],
    referrers: true,
    tags: ['a', 'b'],
    chunkBytes: 1024 * 1024,
    insecureRegistries: ['x:1'],
    cacheDir: '/c',
  })
  expect(stdout).toBe('sha256:ab\n')
  expect(stderr).toBe('')
})

test('ossb index create takes all words after the first as sources', async () => {
  let seen: CreateIndexOptions | undefined
  const args = [
    'index',
    'create',
    '--append',
    '--annotation',
    'a=b',
    '--progress',
    'plain',
    'dst',
    'one',
    'two',
    'three',
  ]
  const api = fakeApi({
    createIndex(options) {
      seen = options
      return Promise.resolve({ descriptor: DESCRIPTOR, names: ['dst:latest'], platforms: ['linux/amd64'] })
    },
  })
  const { exitCode, stderr } = await runCli(args, api)
  expect(exitCode).toBe(0)
  expect(seen).toMatchObject({
    destination: 'dst',
    sources: ['one', 'two', 'three'],
    append: true,
    replace: false,
    annotations: { a: 'b' },
    imageFormat: 'oci',
  })
  expect(stderr).toBe('\nCreated an index of linux/amd64\n  digest  sha256:ab\n  name    dst:latest\n')
})

test('ossb inspect --raw prints the bytes and nothing else', async () => {
  let seen: InspectImageOptions | undefined
  const args = ['inspect', '--raw', '--platform', 'linux/arm64', 'app:1']
  const api = fakeApi({
    inspectImage(options) {
      seen = options
      return Promise.resolve({
        reference: 'app:1',
        descriptor: DESCRIPTOR,
        raw: Buffer.from('{}'),
        annotations: {},
      })
    },
  })
  const { exitCode, stdout } = await runCli(args, api)
  expect(exitCode).toBe(0)
  expect(seen).toMatchObject({ image: 'app:1', platform: 'linux/arm64', referrers: false })
  expect(stdout).toBe('{}')
})

test.each([
  [['copy', '--all', '--platform', 'linux/arm', 'a', 'b'], 'Cannot use --all with --platform'],
  [['copy', '-t', 'x/y', 'a', 'b'], 'Cannot use "x/y" for --tag: it is not a tag'],
  [['index', 'create', '--annotation', 'a', 'd', 's'], 'Cannot use --annotation "a": it has no value'],
  [['inspect', '--raw', '--format', 'json', 'a'], 'Cannot use --raw with --format'],
])('ossb %j is refused', async (args, message) => {
  const { exitCode, stderr } = await runCli(args, fakeApi({}))
  expect(exitCode).toBe(2)
  expect(stderr).toContain(message)
})
