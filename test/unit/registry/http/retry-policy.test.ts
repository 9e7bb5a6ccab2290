import { expect, test } from 'vitest'
import { systemClock } from '../../../../src/io/index.ts'
import { LoginFailure } from '../../../../src/registry/auth/login-failure.ts'
import { HttpFailure } from '../../../../src/registry/http/http-failure.ts'
import {
  adviseRetry,
  createGate,
  retryAfterMs,
  TransferFailure,
} from '../../../../src/registry/http/retry-policy.ts'
import { ProxyFailure } from '../../../../src/registry/http/tunnel.ts'

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
  ['EAI_AGAIN', {}],
  ['EPIPE', {}],
  ['ETIMEDOUT', {}],
  ['EHOSTUNREACH', {}],
  ['ENETUNREACH', {}],
  ['UND_ERR_CONNECT_TIMEOUT', {}],
  ['UND_ERR_HEADERS_TIMEOUT', {}],
  ['UND_ERR_BODY_TIMEOUT', {}],
  ['ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE', undefined],
  ['ERR_TLS_CERT_ALTNAME_INVALID', undefined],
  ['OSSB_FORBIDDEN_ADDRESS', undefined],
  ['UND_ERR_SOCKET', {}],
  ['CERT_HAS_EXPIRED', undefined],
  ['UND_ERR_REQ_CONTENT_LENGTH_MISMATCH', undefined],
])('adviseRetry() on %s', (code, advice) => {
  expect(adviseRetry(failing(code), systemClock)).toEqual(advice)
  expect(adviseRetry(new Error('outer', { cause: failing(code) }), systemClock)).toEqual(advice)
})

const answered = (status: number, from: 'registry' | 'storage', retryAfter?: string) =>
  new HttpFailure(
    'GET',
    {
      status,
      url: new URL('https://r.io/v2/?token=secret'),
      headers: (name) => (name === 'retry-after' && retryAfter !== undefined ? [retryAfter] : []),
    },
    '',
    from,
  )

test.each([408, 425, 429, 499, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529])(
  'adviseRetry() gives %d another attempt',
  (status) => expect(adviseRetry(answered(status, 'registry'), systemClock)).toEqual({}),
)

test.each([400, 401, 403, 404, 405, 413, 416, 501, 505, 507])('adviseRetry() takes %d as final', (status) =>
  expect(adviseRetry(answered(status, 'registry'), systemClock)).toBeUndefined(),
)

test.each([400, 401, 403, 404, 410])(
  'adviseRetry() takes %d from storage for an address that expired',
  (status) => {
    expect(adviseRetry(answered(status, 'storage'), systemClock)).toEqual({ attempts: 3 })
  },
)

test.each([
  ['120', { afterMs: 120_000 }],
  ['121', undefined],
])('adviseRetry() keeps a pause of %s s, or none', (seconds, advice) => {
  expect(adviseRetry(answered(503, 'registry', seconds), systemClock)).toEqual(advice)
})

test('adviseRetry() does not repeat what a login has tried already', () => {
  expect(adviseRetry(new LoginFailure('auth.r.io', failing('ECONNRESET')), systemClock)).toBeUndefined()
})

test('adviseRetry() asks a proxy again that is busy, and no other', () => {
  const proxy = { url: new URL('http://proxy:3128') }
  expect(adviseRetry(new ProxyFailure(proxy, { status: 503 }), systemClock)).toEqual({})
  for (const status of [403, 407])
    expect(adviseRetry(new ProxyFailure(proxy, { status }), systemClock)).toBeUndefined()
  expect(adviseRetry(new ProxyFailure(proxy, { cause: failing('ECONNREFUSED') }), systemClock)).toEqual({
    attempts: 3,
  })
})

test('an HttpFailure keeps no query: it may hold a signature', () => {
  expect(answered(500, 'storage').url.href).toBe('https://r.io/v2/')
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
