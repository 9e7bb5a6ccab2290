import { expect, test } from 'vitest'
import { systemClock } from '../../../src/io/index.ts'
import { adviseRetry, createGate, retryAfterMs, TransferFailure } from '../../../src/registry/retry-policy.ts'

const NOW = Date.UTC(2026, 0, 1)

test.each([
  [undefined, undefined],
  ['2', 2000],
  [' 120 ', 120_000],
  ['0', 0],
  ['-5', undefined],
  ['soon', undefined],
  ['1.5', undefined],
  ['Thu, 01 Jan 2026 00:00:30 GMT', 30_000],
  ['Wed, 31 Dec 2025 00:00:00 GMT', 0],
])('retryAfterMs() reads %j as %j', (value, expected) => {
  expect(retryAfterMs(value, NOW)).toBe(expected)
})

const failing = (code: string) => Object.assign(new Error(code), { code })

test.each([
  ['ECONNRESET', {}],
  ['ECONNREFUSED', { attempts: 3 }],
  ['ENOTFOUND', { attempts: 2 }],
  ['UND_ERR_SOCKET', {}],
  ['CERT_HAS_EXPIRED', undefined],
  ['UND_ERR_REQ_CONTENT_LENGTH_MISMATCH', undefined],
])('adviseRetry() on %s', (code, advice) => {
  expect(adviseRetry(failing(code), systemClock)).toEqual(advice)
  expect(adviseRetry(new Error('outer', { cause: failing(code) }), systemClock)).toEqual(advice)
})

test('adviseRetry() takes a stall for a broken connection and a programming error for none', () => {
  expect(adviseRetry(new TransferFailure('OSSB_STALLED', 'x'), systemClock)).toEqual({})
  expect(adviseRetry(new TypeError('x'), systemClock)).toBeUndefined()
})

test('a gate holds everybody until the latest pause is over', async () => {
  let now = 0
  const sleep = (ms: number) => {
    now += ms
    return Promise.resolve()
  }
  const gate = createGate({ now: () => now, random: () => 0, sleep })
  const { signal } = new AbortController()
  await gate.pass(signal)
  expect(now).toBe(0)
  gate.closeFor(5000)
  gate.closeFor(1000)
  await gate.pass(signal)
  expect(now).toBe(5000)
})
