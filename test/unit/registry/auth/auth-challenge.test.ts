import { expect, test } from 'vitest'
import { parseChallenges } from '../../../../src/registry/auth/auth-challenge.ts'

test.each([
  ['Basic realm="x"', [{ scheme: 'basic', parameters: { realm: 'x' } }]],
  ['BASIC Realm=x', [{ scheme: 'basic', parameters: { realm: 'x' } }]],
  ['Negotiate', [{ scheme: 'negotiate', parameters: {} }]],
  [
    'Bearer realm="https://a/t?x=1,2",service="r.io",scope="repository:a/b:pull,push",error="invalid_token"',
    [
      {
        scheme: 'bearer',
        parameters: {
          realm: 'https://a/t?x=1,2',
          service: 'r.io',
          scope: 'repository:a/b:pull,push',
          error: 'invalid_token',
        },
      },
    ],
  ],
  [
    'Negotiate, Basic realm="a \\"quoted\\" one" , Bearer realm = "https://t/" ,service=s',
    [
      { scheme: 'negotiate', parameters: {} },
      { scheme: 'basic', parameters: { realm: 'a "quoted" one' } },
      { scheme: 'bearer', parameters: { realm: 'https://t/', service: 's' } },
    ],
  ],
  [
    'Bearer realm=https://t/token,service=s',
    [{ scheme: 'bearer', parameters: { realm: 'https://t/token', service: 's' } }],
  ],
  ['', []],
  [
    '"unexpected" ;; Basic realm="x"',
    [
      { scheme: 'unexpected', parameters: {} },
      { scheme: 'basic', parameters: { realm: 'x' } },
    ],
  ],
])('parseChallenges() reads %j', (header, expected) => {
  expect(parseChallenges([header])).toEqual(expected)
})

test('parseChallenges() reads several headers', () => {
  expect(parseChallenges(['Basic realm="a"', 'Bearer realm="b"']).map((one) => one.scheme)).toEqual([
    'basic',
    'bearer',
  ])
})
