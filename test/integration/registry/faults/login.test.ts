import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, LookupFunction } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { describe, expect, onTestFinished, test } from 'vitest'
import { digestOf } from '../../../../src/core/index.ts'
import { createAuthority } from '../../../support/certificates.ts'
import {
  BLOB,
  blob,
  busy,
  expectNoSecret,
  type FaultLabOptions,
  GET_BLOB,
  lab,
  loopback,
  PUT_BLOB,
  pullIntoStore,
} from '../../../support/fault-lab.ts'
import type { FaultRow } from '../../../support/fault-registry.ts'

describe('logging in', () => {
  interface Asked {
    /** 1 for the first request. */
    readonly n: number
    readonly method: string
    readonly scopes: readonly string[]
    readonly request: IncomingMessage
    readonly response: ServerResponse
  }
  type TokenAnswer = { status: number; body: string; headers?: Readonly<Record<string, string>> }

  /** A registry that asks for a token once, and the server of the tokens. */
  async function withTokens(
    answer: (asked: Asked) => TokenAnswer | undefined,
    faults: readonly FaultRow[] = [],
    options: FaultLabOptions = {},
  ) {
    const seen: { method: string; authorization: string | undefined; scopes: string[] }[] = []
    const listener = async (request: IncomingMessage, response: ServerResponse) => {
      const { method = '' } = request
      const url = new URL(request.url ?? '', 'http://localhost')
      let body = ''
      for await (const part of request as AsyncIterable<Buffer>) body += part.toString()
      const form = new URLSearchParams(body)
      const scopes = method === 'POST' ? [form.get('scope') ?? ''] : url.searchParams.getAll('scope')
      seen.push({ method, authorization: request.headers.authorization, scopes })
      const made = answer({ n: seen.length, method, scopes, request, response })
      if (made !== undefined) response.writeHead(made.status, made.headers).end(made.body)
    }
    const server = createServer((request, response) => {
      listener(request, response).catch((error: unknown) => response.destroy(error as Error))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    })
    const realm = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`
    const challenge = {
      'www-authenticate': `Bearer realm="${realm}",service="s",scope="repository:r/x:pull"`,
    }
    const made = await lab(
      [
        { ...GET_BLOB, times: 1, answer: busy(401, challenge) },
        ...faults.map((row) => withChallenge(row, challenge)),
      ],
      { auth: 'alice:opensesame', ...options },
    )
    made.registry.blobs.set(blob.digest, BLOB)
    return { ...made, asked: () => seen.length, seen, realm }
  }

  const SECRETS = ['opensesame', 'alice:opensesame', 'tokentokentoken']
  const ASKS = { 'www-authenticate': 'Bearer realm="REALM"' }

  function withChallenge(row: FaultRow, headers: Readonly<Record<string, string>>): FaultRow {
    const { answer } = row
    return answer.type === 'status' && answer.status === 401
      ? { ...row, answer: { ...answer, headers } }
      : row
  }

  const token = (value: string, more: object = {}) => ({
    status: 200,
    body: JSON.stringify({ access_token: `tokentokentoken-${value}`, ...more }),
  })

  test('C2 renews a token that is refused in the middle of a push, once', async () => {
    const made = await withTokens(({ n }) => token(`${n}`), [{ ...PUT_BLOB, times: 1, answer: busy(401) }])
    await made.read()
    const bytes = randomBytes(1000)
    const other = { ...blob, digest: digestOf(bytes), size: 1000 }
    await made.remote.put(other, () => Promise.resolve(Readable.from([bytes])), made.job)
    expect(made.registry.blobs.has(other.digest)).toBe(true)
    expect(made.registry.seen.filter((one) => one.method === 'PUT').map((one) => one.authorization)).toEqual([
      'Bearer tokentokentoken-2',
      'Bearer tokentokentoken-3',
    ])
  })

  test('C3 gives up when a fresh token is refused too', async () => {
    const made = await withTokens(({ n }) => token(`${n}`), [{ ...GET_BLOB, answer: busy(401) }])
    await expect(made.read()).rejects.toMatchObject({
      code: 'ERR_OSSB_UNAUTHORIZED',
      hint: expect.stringContaining('came from the environment variable DOCKER_AUTH_CONFIG'),
    })
    expect(made.asked()).toBe(2)
  })

  test('C7 asks for one token however many blobs are wanted at once', async () => {
    const made = await withTokens(({ n }) => token(`${n}`))
    await made.read()
    await Promise.all(Array.from({ length: 16 }, () => made.read()))
    expect(made.asked()).toBe(1)
  })

  test('C4 survives a token server that is busy', async () => {
    const made = await withTokens(({ n }) => (n <= 2 ? { status: 503, body: '' } : token('t')))
    await made.read()
    expect(made.asked()).toBe(3)
  })

  test.each(['<html>', '{}', '[]', 'null'])('C5 says that %s is no token', async (body) => {
    const made = await withTokens(() => ({ status: 200, body }))
    await expect(made.read()).rejects.toMatchObject({
      message: expect.stringContaining('it is not a JSON document with a token'),
    })
  })

  test('C8 a wrong password fails at once, names its source and never shows it', async () => {
    const made = await withTokens(() => ({
      status: 401,
      body: '{"errors":[{"code":"UNAUTHORIZED","message":"wrong password"}]}',
    }))
    const error: unknown = await made.read().catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({
      code: 'ERR_OSSB_UNAUTHORIZED',
      message: expect.stringMatching(
        /^Cannot pull blob .*: login refused: 401 UNAUTHORIZED \(wrong password\) to GET/,
      ),
      hint: expect.stringMatching(
        /^The credentials for 127.0.0.1:\d+ came from the environment variable DOCKER_AUTH_CONFIG/,
      ),
    })
    expect(made.asked()).toBe(1)
    expect(JSON.stringify(made.seen)).toContain(Buffer.from('alice:opensesame').toString('base64'))
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toMatch(/opensesame|YWxpY2U6/)
  })

  test.each([
    ['a second', 1, 2, 2],
    ['no time', 0, 30, 1],
    ['no time', 0, 61, 2],
    ['less than no time', -5, 30, 1],
    ['an unknown time', undefined, 30, 1],
    ['an unknown time', undefined, 61, 2],
    ['five minutes', 300, 200, 1],
  ])(
    'C1 a token for %s (%j) is renewed in time: after %d s, %d were asked for',
    async (_name, expires_in, after, asked) => {
      const made = await withTokens(({ n }) => token(`${n}`, { expires_in }))
      await made.read()
      await made.clock.sleep(after * 1000, made.job.signal)
      await made.read()
      expect(made.asked()).toBe(asked)
      expect(made.registry.seen.at(-1)?.authorization).toBe(`Bearer tokentokentoken-${asked}`)
    },
  )

  const TROUBLE: readonly (readonly [string, (asked: Asked) => TokenAnswer | undefined])[] = [
    ['no answer', () => undefined],
    ['a reset', ({ request }) => void request.socket.destroy()],
    ['429', () => ({ status: 429, body: '', headers: { 'retry-after': '2' } })],
    ['500', () => ({ status: 500, body: '' })],
  ]
  test.each(TROUBLE)('C4 survives %s of a token server', async (_name, trouble) => {
    const made = await withTokens((asked) => (asked.n === 1 ? trouble(asked) : token('t')), [], {
      stallMs: 300,
    })
    expect(await pullIntoStore(made, SECRETS)).toBeUndefined()
    expect(made.asked()).toBe(2)
  })

  test('C4 a token server that stays in trouble is asked six times, and named', async () => {
    const made = await withTokens(() => ({ status: 503, body: '' }))
    await expect(made.read()).rejects.toMatchObject({
      code: 'ERR_OSSB_REGISTRY',
      message: expect.stringMatching(
        /: login failed: 503 Service Unavailable to GET http:\S+\/token, after 6 attempts$/,
      ),
    })
    expect(made.asked()).toBe(6)
  })

  test('C5 reads no more than a mebibyte of what should be a token', async () => {
    const made = await withTokens(() => ({ status: 200, body: ' '.repeat(5 * 1024 * 1024) }))
    expect(await made.read().catch((thrown: unknown) => thrown)).toMatchObject({
      message: expect.stringMatching(
        /^Cannot read the token that http:\S+ answered with: it has more than 1048576 bytes$/,
      ),
    })
    expect(made.asked()).toBe(1)
  })

  test.each([400, 401, 404, 405])(
    'C6 a token server that answers %d to POST is asked by GET',
    async (status) => {
      const answer = ({ method }: Asked) => (method === 'POST' ? { status, body: '' } : token('t'))
      const made = await withTokens(answer, [], { identityToken: 'opensesame' })
      expect(await pullIntoStore(made, SECRETS)).toBeUndefined()
      expect(made.seen.map((one) => one.method)).toEqual(['POST', 'GET'])
    },
  )

  test('C9 a helper that is missing is trouble only where a login is needed', async () => {
    const environment = {
      DOCKER_AUTH_CONFIG: JSON.stringify({ credsStore: 'missing' }),
      PATH: '/nonexistent',
    }
    const open = await lab([], { environment })
    expect(await pullIntoStore(open)).toBeUndefined()
    const closed = await lab(
      [{ ...GET_BLOB, answer: busy(401, { 'www-authenticate': 'Basic realm="x"' }) }],
      {
        environment,
      },
    )
    expect(await pullIntoStore(closed)).toMatchObject({
      code: 'ERR_OSSB_UNAUTHORIZED',
      message: expect.stringMatching(/docker-credential-missing .*: it could not be started$/),
    })
  })

  test.each([401, 403])(
    'C10 goes on with an upload when a token for a mount is refused with %d',
    async (status) => {
      const wantsMount = (scopes: readonly string[]) => scopes.join(' ').includes('base')
      const made = await withTokens(({ scopes }) => (wantsMount(scopes) ? { status, body: '' } : token('t')))
      await made.read()
      const remote = made.client.repository(
        { registry: made.host, repository: 'r/x' },
        { mountFrom: () => `${made.host}/base` },
      )
      const bytes = randomBytes(1000)
      const other = { ...blob, digest: digestOf(bytes), size: 1000 }
      await remote.put(other, () => Promise.resolve(Readable.from([bytes])), made.job)
      expect(made.registry.blobs.has(other.digest)).toBe(true)
      expect(made.seen.some(({ scopes }) => wantsMount(scopes))).toBe(true)
    },
  )

  test.each([
    ['Basic beside Bearer', 'Basic realm="x", Bearer realm="REALM",service="s"', 'Bearer'],
    ['odd casing', 'bEaReR Realm="REALM",SERVICE="s"', 'Bearer'],
    ['commas and quotes in quotes', 'Bearer realm="REALM",error="a, \\"b\\", Basic c",service="s"', 'Bearer'],
    ['values without quotes', 'Bearer realm=REALM,service=s', 'Bearer'],
    ['no service', 'Bearer realm="REALM"', 'Bearer'],
    ['a realm with a query', 'Bearer realm="REALM?a=b"', 'Bearer'],
    ['one nobody knows before Basic', 'Negotiate, NTLM abc==, Basic realm="x"', 'Basic'],
  ])('C11 understands a challenge with %s', async (_name, text, scheme) => {
    const tokens = await withTokens(() => token('t'))
    const challenge = { 'www-authenticate': text.replace('REALM', tokens.realm) }
    const made = await lab([{ ...GET_BLOB, times: 1, answer: busy(401, challenge) }], {
      auth: 'alice:opensesame',
    })
    expect(await pullIntoStore(made, SECRETS)).toBeUndefined()
    expect(made.registry.seen.filter(({ path }) => path.includes('blobs')).at(-1)?.authorization).toMatch(
      scheme,
    )
  })

  test('C11 says which ways to log in a registry knows, and that they are not known here', async () => {
    const made = await lab([
      { ...GET_BLOB, answer: busy(401, { 'www-authenticate': 'Negotiate, Digest realm="x"' }) },
    ])
    expect(await pullIntoStore(made)).toMatchObject({
      code: 'ERR_OSSB_UNAUTHORIZED',
      message: `Cannot log in to "${made.host}": it asks for "negotiate", "digest", and only Basic and Bearer are known`,
    })
  })

  describe('C12 the server of the tokens', () => {
    const names: LookupFunction = (name, options, callback) =>
      name === 'metadata.test'
        ? callback(
            null,
            options.all === true ? [{ address: '169.254.169.254', family: 4 }] : '169.254.169.254',
            4,
          )
        : loopback(name, options, callback)
    const named = { name: 'registry.test', lookup: names, auth: 'alice:opensesame' }
    const asking = (realm: string): FaultRow => ({
      ...GET_BLOB,
      times: 1,
      answer: busy(401, { 'www-authenticate': ASKS['www-authenticate'].replace('REALM', realm) }),
    })

    test('may be on another origin, by a name', async () => {
      const tokens = await withTokens(() => token('t'))
      const made = await lab([asking(tokens.realm.replace('127.0.0.1', 'tokens.test'))], {
        ...named,
        insecureRegistries: ['registry.test'],
      })
      expect(await pullIntoStore(made, SECRETS)).toBeUndefined()
      expect(tokens.seen[0]?.authorization).toMatch(/^Basic /)
    })

    test.each([
      ['a metadata address', 'http://169.254.169.254/token', /a link-local or metadata address$/],
      [
        'a name for a metadata address',
        'http://metadata.test/token',
        /metadata\.test stands for 169\.254\.169\.254/,
      ],
      ['an address of this machine', 'http://127.0.0.1:1/token', /an address of this machine$/],
      ['a file', 'file:///etc/passwd', /neither https nor http$/],
      ['no URL', 'token', /not a URL$/],
    ])('is not %s', async (_name, realm, why) => {
      const made = await lab([asking(realm)], { ...named, insecureRegistries: ['registry.test'] })
      expect(await pullIntoStore(made, SECRETS)).toMatchObject({ message: expect.stringMatching(why) })
    })

    test('is not asked by plain http for a registry with TLS, unless that may be insecure', async () => {
      const directory = mkdtempSync(join(tmpdir(), 'ossb-login-'))
      onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
      const authority = createAuthority(directory)
      const tls = authority.issue('server', { names: ['registry.test'] })
      const tokens = await withTokens(() => token('t'))
      const faults = [asking(tokens.realm.replace('127.0.0.1', 'tokens.test'))]
      const options = { ...named, tls, environment: { SSL_CERT_FILE: authority.caFile } }
      const strict = await lab(faults, options)
      expect(await pullIntoStore(strict, SECRETS)).toMatchObject({
        code: 'ERR_OSSB_UNAUTHORIZED',
        message: expect.stringMatching(
          /sends us for a token to "http:\/\/tokens\.test:\d+\/token", over plain http$/,
        ),
      })
      expect(tokens.asked()).toBe(0)
      const lax = await lab(faults, { ...options, insecureRegistries: ['registry.test'] })
      expect(await pullIntoStore(lax, SECRETS)).toBeUndefined()
    })
  })

  test.each([-3600, 3600])('C13 the clock of the token server may be %d s off', async (skew) => {
    const made = await withTokens(({ n }) =>
      token(`${n}`, {
        expires_in: 300,
        issued_at: new Date(made.clock.now() + skew * 1000).toISOString(),
      }),
    )
    await made.read()
    await made.clock.sleep(200_000, made.job.signal)
    await made.read()
    expect(made.asked()).toBe(1)
    await made.clock.sleep(100_000, made.job.signal)
    await made.read()
    expect(made.asked()).toBe(2)
  })

  test.each([
    ['a refused login', { status: 401, body: '{"errors":[{"code":"UNAUTHORIZED","message":"no"}]}' }, {}],
    ['a broken token server', { status: 503, body: '' }, {}],
    ['no token', { status: 200, body: '{"token":1,"refresh_token":"tokentokentoken"}' }, {}],
    ['a refused token', token('t'), { times: 9, answer: busy(401) }],
    ['a denied token', token('t'), { times: 9, answer: busy(403) }],
    ['a dead registry', token('t'), { times: 30, answer: { type: 'reset' } }],
    ['damaged content', token('t'), { times: 9, answer: { type: 'flip', at: 3 } }],
  ] as const)('C14 no secret is told after %s', async (_name, answer, fault) => {
    const rows = 'answer' in fault ? [{ ...GET_BLOB, ...fault }] : []
    const made = await withTokens(() => answer, rows)
    const error: unknown = await made.read().catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(Error)
    expect(JSON.stringify([made.seen, made.registry.seen])).toMatch(/YWxpY2U6|tokentokentoken/)
    expectNoSecret([error, made.job.events], SECRETS)
  })
})
