import { describe, expect, test } from 'vitest'
import { cacheOptions } from '../../../src/cli/cache-spec.ts'

const ACCESS = { insecureRegistries: [], environment: {} }
const read = (from: readonly string[], to: readonly string[], args: readonly string[] = []) =>
  cacheOptions({ 'cache-from': from, 'cache-to': to, 'build-arg': args }, ACCESS)

describe('--cache-from and --cache-to', () => {
  test('say where caches are, in the words of docker buildx', () => {
    expect(
      read(
        ['r.io/a:1, r.io/b', 'type=local,src=/dir,tag=x', 'type=kaniko,ref=r.io/k,ttl=2h'],
        [
          'type=registry,"ref=r.io/c",mode=max,registry.insecure=true',
          'type=local,dest=/out,ignore-error=false',
        ],
        ['BUILDKIT_INLINE_CACHE=1'],
      ),
    ).toEqual({
      environment: {},
      insecureRegistries: ['r.io'],
      cacheFrom: [
        { type: 'registry', ref: 'r.io/a:1' },
        { type: 'registry', ref: 'r.io/b' },
        { type: 'local', src: '/dir', name: 'x' },
        { type: 'kaniko', repository: 'r.io/k', ttlMs: 7_200_000 },
      ],
      cacheTo: [
        { type: 'registry', ref: 'r.io/c', mode: 'max', form: 'manifest', ignoreError: true },
        { type: 'local', dest: '/out', tag: 'latest', mode: 'min', form: 'manifest', ignoreError: false },
        { type: 'inline' },
      ],
    })
  })

  test('are nothing when they are not given', () => {
    expect(read([], [])).toEqual(ACCESS)
  })

  test.each([
    ['type=gha', 'there is no type "gha"'],
    ['ref=r.io/a', 'it has no type'],
    ['type=registry', 'ref is missing'],
    ['type=local,dest=', 'dest is missing'],
    ['type=inline,mode=max', 'type=inline has no "mode"'],
    ['type=registry,ref=r.io/a,compression=zstd', 'has no "compression"'],
    ['type=registry,ref=r.io/a,mode=most', 'there is no mode "most"'],
    ['type=registry,ref=r.io/a,ignore-error=maybe', 'ignore-error is "maybe"'],
    ['type=registry,ref=r.io/a,oci-mediatypes=false,image-manifest=true', 'needs oci-mediatypes=true'],
    ['type=kaniko,ref=r.io/a,ttl=long', 'ttl is "long"'],
    ['type=registry,r.io/a', '"r.io/a" is not KEY=VALUE'],
    ['type=registry,"ref=r.io/a', 'a quote is out of place'],
  ])('--cache-to %s: %s', (text, message) => {
    expect(() => read([], [text])).toThrow(
      expect.objectContaining({ code: 'ERR_OSSB_USAGE', message: expect.stringContaining(message) }),
    )
  })
})
