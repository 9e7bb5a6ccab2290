import { describe, expect, test } from 'vitest'
import { OssbError } from '../../../../src/core/index.ts'
import { requireReach } from '../../../../src/registry/http/reach.ts'
import { createTransport } from '../../../../src/registry/http/transport.ts'

function refused(url: string, allowedHosts?: readonly string[], environment: Record<string, string> = {}) {
  try {
    requireReach(new URL(url), { environment, ...(allowedHosts === undefined ? {} : { allowedHosts }) })
    return undefined
  } catch (error) {
    if (error instanceof OssbError) return error
    throw error
  }
}

describe('requireReach()', () => {
  test.each<[string, string[], boolean]>([
    ['https://r.io/v2/', [], false],
    ['https://r.io/v2/', ['r.io'], true],
    ['https://r.io:5000/v2/', ['r.io'], true],
    ['https://R.IO/v2/', ['r.io'], true],
    ['https://r.io/v2/', ['R.io:443'], true],
    ['http://r.io/v2/', ['r.io:443'], false],
    ['http://r.io/v2/', ['r.io:80'], true],
    ['https://r.io:5000/v2/', ['r.io:443'], false],
    ['https://a.r.io/v2/', ['r.io'], false],
    ['https://r.io.evil.com/', ['r.io'], false],
    ['https://[::1]:5000/v2/', ['[::1]:5000'], true],
    ['https://[::1]:5000/v2/', ['[::1]'], true],
    ['https://[::1]:5000/v2/', ['[::1]:443'], false],
    ['http://127.0.0.1:5000/v2/', [], false],
    ['https://registry-1.docker.io/v2/', ['docker.io'], true],
    ['https://auth.docker.io/token', ['docker.io'], false],
  ])('%s with %j: %s', (url, allowed, expected) => {
    expect(refused(url, allowed) === undefined).toBe(expected)
  })

  test('no list is no limit', () => {
    expect(refused('https://r.io/')).toBeUndefined()
  })

  test('names the host and the flag, and no path or query', () => {
    const error = refused('https://r.io:444/secret?signature=x', ['other.io'])
    expect(error?.code).toBe('ERR_OSSB_OFFLINE')
    expect(`${error?.message} ${error?.hint}`).toMatchInlineSnapshot(
      `"Cannot connect to "r.io:444": only hosts of --allow-host may be reached To allow it, add --allow-host r.io:444."`,
    )
  })

  test('a proxy is a host of its own, where it is used', () => {
    const environment = { HTTPS_PROXY: 'http://proxy.corp:3128', NO_PROXY: 'near.io' }
    expect(refused('https://r.io/', ['r.io'], environment)?.message).toContain('proxy "proxy.corp:3128"')
    expect(refused('https://r.io/', ['r.io', 'proxy.corp'], environment)).toBeUndefined()
    expect(refused('https://r.io/', ['proxy.corp'], environment)?.message).toContain('"r.io"')
    expect(refused('https://near.io/', ['near.io'], environment)).toBeUndefined()
  })
})

test('a transport connects to nothing that is not allowed', async () => {
  await using transport = createTransport({
    insecureRegistries: [],
    environment: {},
    stallMs: 1000,
    allowedHosts: [],
  })
  const request = { method: 'GET', headers: {}, signal: new AbortController().signal } as const
  await expect(transport.send({ ...request, url: new URL('http://name.invalid/') })).rejects.toMatchObject({
    code: 'ERR_OSSB_OFFLINE',
  })
})
