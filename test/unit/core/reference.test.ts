import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { familiarReference, formatReference, parseReference } from '../../../src/core/index.ts'

const A64 = 'a'.repeat(64)

/** Inputs, and what Docker, BuildKit and Podman make of them. */
const VALID: readonly (readonly [string, string])[] = [
  ['ubuntu', 'docker.io/library/ubuntu:latest'],
  ['ubuntu:22.04', 'docker.io/library/ubuntu:22.04'],
  ['library/ubuntu', 'docker.io/library/ubuntu:latest'],
  ['docker.io/ubuntu', 'docker.io/library/ubuntu:latest'],
  ['docker.io/library/ubuntu:latest', 'docker.io/library/ubuntu:latest'],
  ['index.docker.io/library/ubuntu', 'docker.io/library/ubuntu:latest'],
  ['index.docker.io/ubuntu', 'docker.io/library/ubuntu:latest'],
  ['registry-1.docker.io/library/ubuntu', 'registry-1.docker.io/library/ubuntu:latest'],
  ['user/app', 'docker.io/user/app:latest'],
  ['user/app:v1', 'docker.io/user/app:v1'],
  ['a/b/c/d:1', 'docker.io/a/b/c/d:1'],
  ['localhost/app', 'localhost/app:latest'],
  ['localhost:5000/app', 'localhost:5000/app:latest'],
  ['localhost:5000/app:v1', 'localhost:5000/app:v1'],
  ['localhost', 'docker.io/library/localhost:latest'],
  ['localhost:5000', 'docker.io/library/localhost:5000'],
  ['LOCALHOST/app', 'LOCALHOST/app:latest'],
  ['myhost/app', 'docker.io/myhost/app:latest'],
  ['myhost:80/app', 'myhost:80/app:latest'],
  ['my.host/app', 'my.host/app:latest'],
  ['example.com', 'docker.io/library/example.com:latest'],
  ['example.com:5000', 'docker.io/library/example.com:5000'],
  ['example.com/app', 'example.com/app:latest'],
  ['Example.com/app', 'Example.com/app:latest'],
  ['EXAMPLE/app', 'EXAMPLE/app:latest'],
  ['127.0.0.1:5000/a/b', '127.0.0.1:5000/a/b:latest'],
  ['[::1]:5000/a/b', '[::1]:5000/a/b:latest'],
  ['[::1]/a', '[::1]/a:latest'],
  ['192.168.1.10/a', '192.168.1.10/a:latest'],
  [`ubuntu@sha256:${A64}`, `docker.io/library/ubuntu@sha256:${A64}`],
  [`ubuntu:22.04@sha256:${A64}`, `docker.io/library/ubuntu:22.04@sha256:${A64}`],
  [`ubuntu@sha512:${'a'.repeat(128)}`, `docker.io/library/ubuntu@sha512:${'a'.repeat(128)}`],
  ['ubuntu:_tag', 'docker.io/library/ubuntu:_tag'],
  [`ubuntu:${'t'.repeat(128)}`, `docker.io/library/ubuntu:${'t'.repeat(128)}`],
  ['a_b/c.d/e-f', 'docker.io/a_b/c.d/e-f:latest'],
  ['a__b', 'docker.io/library/a__b:latest'],
  ['a--b', 'docker.io/library/a--b:latest'],
  ['host.com/a_b__c/d---e:T.a-g_1', 'host.com/a_b__c/d---e:T.a-g_1'],
  [`gcr.io/proj/img@sha256:${A64}`, `gcr.io/proj/img@sha256:${A64}`],
  ['xn--7o8h.com/myimage', 'xn--7o8h.com/myimage:latest'],
  ['host.com:99999/a', 'host.com:99999/a:latest'],
  [`host.com/${'a'.repeat(250)}`, `host.com/${'a'.repeat(250)}:latest`],
  ['scratch', 'docker.io/library/scratch:latest'],
]

/** Inputs that they refuse, and why we do. */
const INVALID: readonly (readonly [string, string])[] = [
  ['user/App', 'the repository name "user/App" must be lower-case'],
  ['UPPER', 'the repository name "library/UPPER" must be lower-case'],
  ['[fe80::1%eth0]/a', '"[fe80::1%eth0]" is not a registry host'],
  ['::1/a', '"::1" is not a registry host'],
  [`ubuntu@sha256:${'a'.repeat(63)}`, `"sha256:${'a'.repeat(63)}" is not a digest`],
  [`ubuntu@md5:${'a'.repeat(32)}`, 'is not a digest'],
  [`ubuntu@sha256:${'A'.repeat(64)}`, 'is not a digest'],
  [A64, '64 hex digits are an image ID, not a name'],
  ['ubuntu:', '"" is not a tag'],
  ['ubuntu@', '"" is not a digest'],
  [':tag', 'a part of the name is empty'],
  ['ubuntu:-tag', '"-tag" is not a tag'],
  ['ubuntu:.tag', '".tag" is not a tag'],
  [`ubuntu:${'t'.repeat(129)}`, 'is not a tag'],
  ['ubuntu:tag with space', '"tag with space" is not a tag'],
  ['a//b', 'a part of the name is empty'],
  ['/a', 'a part of the name is empty'],
  ['a/', 'a part of the name is empty'],
  ['a___b', '"a___b" is not a valid part of a repository name'],
  ['a..b', '"a..b" is not a valid part of a repository name'],
  ['a._b', '"a._b" is not a valid part of a repository name'],
  ['-a', '"-a" is not a valid part of a repository name'],
  ['a-', '"a-" is not a valid part of a repository name'],
  ['.a', '".a" is not a valid part of a repository name'],
  ['a.', '"a." is not a valid part of a repository name'],
  ['_a', '"_a" is not a valid part of a repository name'],
  ['https://docker.io/ubuntu', '"https:" is not a registry host'],
  ['docker://ubuntu', '"docker:" is not a registry host'],
  ['gcr.io/domain.com:proj/img', '"domain.com:proj" is not a valid part of a repository name'],
  ['café/x', '"café" is not a valid part of a repository name'],
  ['host.com:abc/a', '"host.com:abc" is not a registry host'],
  ['host.com:/a', '"host.com:" is not a registry host'],
  ['a/b@c@d', '"c@d" is not a digest'],
  ['a'.repeat(255), 'the repository name must not be more than 255 characters'],
  ['a'.repeat(256), 'the repository name must not be more than 255 characters'],
  [' ubuntu', '" ubuntu" is not a valid part of a repository name'],
]

test('the tables hold all 79 cases', () => {
  expect(VALID.length + INVALID.length).toBe(79)
})

describe('parseReference()', () => {
  test.each(VALID)('reads %j as %j', (text, expected) => {
    expect(formatReference(parseReference(text))).toBe(expected)
  })

  test.each(INVALID)('refuses %j', (text, why) => {
    expect(() => parseReference(text)).toThrow(
      expect.objectContaining({
        code: 'ERR_OSSB_REFERENCE_INVALID',
        message: expect.stringContaining(why),
      }),
    )
  })

  test('undoes formatReference() and familiarReference()', () => {
    const component = fc.stringMatching(/^[a-z0-9]{1,8}((\.|_|__|-{1,3})[a-z0-9]{1,5}){0,2}$/)
    const reference = fc.record(
      {
        registry: fc.oneof(
          fc.constantFrom(
            'docker.io',
            'localhost',
            'localhost:5000',
            '[::1]:80',
            'REGISTRY',
            'r.example.com:443',
          ),
          fc.stringMatching(/^[a-z0-9]{1,8}\.[a-z0-9]{2,5}(:[0-9]{1,5})?$/),
        ),
        path: fc.array(component, { minLength: 2, maxLength: 4 }),
        tag: fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}$/),
        digest: fc.stringMatching(/^[a-f0-9]{64}$/).map((hex) => `sha256:${hex}` as const),
      },
      { requiredKeys: ['registry', 'path'] },
    )
    fc.assert(
      fc.property(reference, ({ registry, path, tag, digest }) => {
        // The first part of a path on Docker Hub must not look like a host.
        fc.pre(!/^localhost$|\./.test(path[0] ?? ''))
        fc.pre(registry !== 'index.docker.io')
        const parsed = {
          registry,
          repository: path.join('/'),
          ...(tag === undefined ? (digest === undefined ? { tag: 'latest' } : {}) : { tag }),
          ...(digest === undefined ? {} : { digest }),
        }
        expect(parseReference(formatReference(parsed))).toEqual(parsed)
        expect(parseReference(familiarReference(parsed))).toEqual(parsed)
      }),
    )
  })

  test('either reads a text or says what is wrong with it', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          const parsed = parseReference(text)
          expect(parseReference(formatReference(parsed))).toEqual(parsed)
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_OSSB_REFERENCE_INVALID' })
        }
      }),
    )
  })
})

test.each([
  ['docker.io/library/alpine:3', 'alpine:3'],
  ['docker.io/team/app:1', 'team/app:1'],
  ['r.example.com/library/app:1', 'r.example.com/library/app:1'],
])('familiarReference() writes %s as %s', (text, familiar) => {
  expect(familiarReference(parseReference(text))).toBe(familiar)
})
