import { expect, test } from 'vitest'
import { limitsOf, resourceNumber } from '../../../src/executors/process-limits.ts'

const own = (soft: string, hard: string) =>
  `Limit                     Soft Limit           Hard Limit           Units\nMax open files            ${soft.padEnd(20)} ${hard.padEnd(20)} files\n`

test.each([
  ['what a login gives, whatever the builder raised its own to', own('524288', '524288'), 1024, 524_288],
  ['no more than is allowed', own('512', '512'), 512, 512],
  ['no hard limit where there is none', own('unlimited', 'unlimited'), 1024, -1],
])('limitsOf() gives %s', (_what, text, soft, hard) => {
  expect(limitsOf([], text)).toEqual([{ name: 'nofile', soft, hard }])
})

test('limitsOf() leaves what was asked for', () => {
  const asked = [{ name: 'nofile', soft: 5, hard: 6 }]
  expect(limitsOf(asked, own('1', '1'))).toEqual(asked)
})

test('resourceNumber() refuses a name that there is not', () => {
  expect(resourceNumber('nofile')).toBe(7)
  expect(() => resourceNumber('toString')).toThrow('Cannot limit "toString": there is no such resource')
})
