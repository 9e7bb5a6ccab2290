import { expect, test } from 'vitest'
import { resolveUploadUrl } from '../../../../src/registry/upload/upload-location.ts'

const resolve = (base: string, location?: string) =>
  resolveUploadUrl({ url: new URL(base), headers: () => (location === undefined ? [] : [location]) }).href

test.each([
  [
    'https://r.io/v2/a/blobs/uploads/',
    '/v2/a/blobs/uploads/1?_state=a%2Bb=',
    'https://r.io/v2/a/blobs/uploads/1?_state=a%2Bb=',
  ],
  ['https://r.io/v2/a/blobs/uploads/', 'https://r.io/up/1', 'https://r.io/up/1'],
  ['https://r.io/v2/a/blobs/uploads/', 'https://storage.io/up/1?sig=x', 'https://storage.io/up/1?sig=x'],
  ['https://r.io:8443/v2/a/blobs/uploads/', 'http://r.io/v2/a/1', 'https://r.io:8443/v2/a/1'],
  ['https://r.io/v2/a/blobs/uploads/', 'http://r.io:80/v2/a/1?x', 'https://r.io/v2/a/1?x'],
  ['http://r.io/v2/a/blobs/uploads/', 'r.io/v2/a/1', 'http://r.io/v2/a/1'],
  ['http://r.io/v2/a/blobs/uploads/', '//r.io/v2/a/1', 'http://r.io/v2/a/1'],
])('resolveUploadUrl() from %s by %s', (base, location, expected) => {
  expect(resolve(base, location)).toBe(expected)
})

test.each([
  [undefined, 'no Location header'],
  ['', 'no Location header'],
  ['http://other.io/v2/a/1', 'it sends us from https to "http://other.io"'],
  ['http://[', 'which is not a URL'],
  ['file:///etc/passwd', 'it sends us to "file:"'],
])('resolveUploadUrl() refuses %s', (location, why) => {
  expect(() => resolve('https://r.io/v2/a/blobs/uploads/', location)).toThrow(why)
})
