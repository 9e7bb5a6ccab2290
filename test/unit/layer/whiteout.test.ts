import { expect, test } from 'vitest'
import { parseWhiteout } from '../../../src/layer/whiteout.ts'

test.each<[string, ReturnType<typeof parseWhiteout>]>([
  ['file', undefined],
  ['x.wh.file', undefined],
  ['.wh', undefined],
  ['.wh.file', { type: 'delete', name: 'file' }],
  ['.wh..hidden', { type: 'delete', name: '.hidden' }],
  ['.wh..wh..opq', { type: 'opaque' }],
  ['.wh..wh.aufs', { type: 'ignored' }],
  ['.wh..wh.plnk', { type: 'ignored' }],
  ['.wh..wh.', { type: 'ignored' }],
  ['.wh.', { type: 'ignored' }],
  ['.wh..', { type: 'ignored' }],
  ['.wh...', { type: 'ignored' }],
  ['.wh....', { type: 'delete', name: '...' }],
])('parseWhiteout() of %s', (name, expected) => {
  expect(parseWhiteout(name)).toEqual(expected)
})
