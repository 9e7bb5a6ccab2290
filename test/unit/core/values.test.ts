import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  canonicalJson,
  errnoOf,
  fileSystemError,
  formatBytes,
  formatPlatform,
  hostPlatform,
  normalizePlatform,
  OssbError,
  parsePlatform,
  platformRank,
  redact,
  StepFailedError,
  toDockerLayerType,
  toOciLayerType,
  withSource,
} from '../../../src/core/index.ts'

describe('canonicalJson()', () => {
  test('does not depend on the order of members', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue(), { noNullPrototype: true }), (value) => {
        const shuffled = Object.fromEntries(Object.entries(value).reverse())
        expect(canonicalJson(shuffled)).toBe(canonicalJson(value))
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)))
      }),
    )
  })

  test('sorts at every depth, keeps the order of lists, leaves undefined out', () => {
    expect(canonicalJson({ b: [{ d: 1, c: 2 }, 'x'], a: undefined, B: null })).toBe(
      '{"B":null,"b":[{"c":2,"d":1},"x"]}',
    )
  })
})

describe('redact()', () => {
  test.each([
    ['https://user:pass@r.io/v2/', 'https://user:***@r.io/v2/'],
    ['https://user:p%40ss@r.io and http://a:b@c', 'https://user:***@r.io and http://a:***@c'],
    ['Authorization: Basic dXNlcjpwYXNzd29yZA==', 'Authorization: Basic ***'],
    ['authorization: bearer eyJhbGciOi.J9-_x', 'authorization: bearer ***'],
    ['GET /token?token=abc&x=1', 'GET /token?token=***&x=1'],
    [
      '/blob?X-Amz-Signature=abc&X-Amz-Credential=def&ok=1',
      '/blob?X-Amz-Signature=***&X-Amz-Credential=***&ok=1',
    ],
    ['a\u001b[31mred\u0000\u0007', 'a[31mred'],
    ['two\nlines\tand a tab', 'two\nlines\tand a tab'],
    ['https://r.io:5000/v2/x@sha256:abc', 'https://r.io:5000/v2/x@sha256:abc'],
    ['plain text', 'plain text'],
  ])('%j', (text, expected) => {
    expect(redact(text)).toBe(expected)
  })

  test('is done in every message and hint', () => {
    const error = new OssbError('ERR_OSSB_NETWORK', 'Cannot get http://a:secret@b', {
      hint: 'see http://a:secret@b',
    })
    expect(`${error.message} ${error.hint}`).not.toContain('secret')
  })
})

describe('platforms', () => {
  const host = { os: 'linux', architecture: 'amd64' }

  test.each([
    ['linux/amd64', 'linux/amd64'],
    ['linux/x86_64', 'linux/amd64'],
    ['Linux/AMD64/v1', 'linux/amd64'],
    ['linux/amd64/3', 'linux/amd64/v3'],
    ['linux/aarch64', 'linux/arm64'],
    ['linux/arm64/v8', 'linux/arm64'],
    ['linux/arm64/v9', 'linux/arm64/v9'],
    ['linux/arm', 'linux/arm/v7'],
    ['linux/armhf', 'linux/arm/v7'],
    ['linux/armel', 'linux/arm/v6'],
    ['linux/arm/6', 'linux/arm/v6'],
    ['linux/i386', 'linux/386'],
    ['arm64', 'linux/arm64'],
    ['windows', 'windows/amd64'],
    ['local', 'linux/amd64'],
    ['linux/riscv64', 'linux/riscv64'],
  ])('%s is %s', (text, expected) => {
    expect(formatPlatform(parsePlatform(text, host))).toBe(expected)
  })

  test.each([
    '',
    '/',
    'linux/',
    'linux/amd65',
    'plan10/amd64',
    'a/b/c/d',
    'linux/amd64/v1/x',
    'linux amd64',
    'nothing',
  ])('%j is none', (text) => {
    expect(() => parsePlatform(text, host)).toThrow(
      expect.objectContaining({ code: 'ERR_OSSB_PLATFORM_INVALID' }),
    )
  })

  test.each<[have: string, wanted: string, rank: number | undefined]>([
    ['linux/amd64', 'linux/amd64', 0],
    ['linux/amd64/v2', 'linux/amd64', undefined],
    ['linux/amd64', 'linux/amd64/v3', 2],
    ['linux/amd64/v2', 'linux/amd64/v3', 1],
    ['linux/amd64/v3', 'linux/amd64/v3', 0],
    ['linux/arm/v7', 'linux/arm', 0],
    ['linux/arm/v6', 'linux/arm/v7', 1],
    ['linux/arm/v5', 'linux/arm/v7', 2],
    ['linux/arm/v7', 'linux/arm/v6', undefined],
    ['linux/arm64', 'linux/arm64/v9', 7],
    ['linux/arm/v7', 'linux/arm64', undefined],
    ['linux/386', 'linux/amd64', undefined],
    ['windows/amd64', 'linux/amd64', undefined],
    ['linux/riscv64', 'linux/riscv64', 0],
    ['linux/arm64/v8.5', 'linux/arm64/v9', 2],
    ['linux/arm64/v8.6', 'linux/arm64/v9', undefined],
    ['linux/arm64/v9.1', 'linux/arm64/v9.2', 1],
    ['linux/arm64/v8.2', 'linux/arm64/v8.3', 1],
    ['linux/arm64/v9', 'linux/arm64', undefined],
  ])('an image for %s serves %s with rank %s', (have, wanted, rank) => {
    expect(platformRank(parsePlatform(have), parsePlatform(wanted))).toBe(rank)
  })

  test('normal form is its own normal form', () => {
    for (const architecture of ['x64', 'arm64', 'arm', 'ia32', 'ppc64', 's390x', 'riscv64', 'loong64']) {
      const platform = hostPlatform(architecture)
      expect(normalizePlatform(platform)).toEqual(platform)
    }
  })
})

describe('errors', () => {
  const source = { file: 'Dockerfile', startLine: 3, endLine: 3 }

  test('withSource() adds lines once and keeps what the error is', () => {
    const located = withSource(new StepFailedError('no', 7, { hint: 'h', cause: 'c' }), source)
    expect(located).toMatchObject({
      source,
      exitCode: 7,
      hint: 'h',
      cause: 'c',
      code: 'ERR_OSSB_STEP_FAILED',
    })
    expect(withSource(located, { ...source, startLine: 9 })).toBe(located)
    const other = new Error('x')
    expect(withSource(other, source)).toBe(other)
  })

  test.each([
    ['ENOSPC', 'ERR_OSSB_NO_SPACE', 'Cannot write it: no space left on the device'],
    ['EDQUOT', 'ERR_OSSB_NO_SPACE', 'Cannot write it: disk quota exceeded'],
    ['EIO', 'ERR_OSSB_FILESYSTEM', 'Cannot write it: EIO: reason'],
    ['EACCES', 'ERR_OSSB_FILESYSTEM', 'Cannot write it: EACCES: reason'],
  ])('fileSystemError() of %s', (code, expected, message) => {
    const cause = Object.assign(new Error(`${code}: reason`), { code })
    expect(fileSystemError('write it', cause)).toMatchObject({ code: expected, message, cause })
  })

  test('errnoOf() knows a quota, for which Node has no name', () => {
    const error = Object.assign(new Error('Unknown system error -122'), { code: 'UNKNOWN', errno: -122 })
    expect(errnoOf(error)).toBe('EDQUOT')
  })
})

test.each([
  [0, '0B'],
  [999, '999B'],
  [1000, '1.00kB'],
  [1_234_567, '1.23MB'],
  [12_345_678, '12.3MB'],
  [999_000_000_000_000, '999TB'],
])('formatBytes(%i) is %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text)
})

test.each([
  ['application/vnd.docker.image.rootfs.diff.tar.gzip', 'application/vnd.oci.image.layer.v1.tar+gzip'],
  ['application/vnd.docker.image.rootfs.diff.tar', 'application/vnd.oci.image.layer.v1.tar'],
])('%s and %s name the same', (docker, oci) => {
  expect(toOciLayerType(docker)).toBe(oci)
  expect(toDockerLayerType(oci)).toBe(docker)
})
