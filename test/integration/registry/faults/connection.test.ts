import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { LookupFunction } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { digestOf } from '../../../../src/core/index.ts'
import { createRegistryClient } from '../../../../src/registry/index.ts'
import { type Authority, createAuthority, type IssuedCertificate } from '../../../support/certificates.ts'
import {
  BLOB,
  blob,
  busy,
  expectNoSecret,
  type FaultLabOptions,
  fakeClock,
  GET_BLOB,
  lab,
  loopback,
  openBytes,
  pullIntoStore,
} from '../../../support/fault-lab.ts'
import type { FaultRow } from '../../../support/fault-registry.ts'
import { type ProxyServerOptions, startProxy } from '../../../support/proxy-server.ts'
import { type RunningRegistry, startRegistry } from '../../../support/registry.ts'
import { recordingJob } from '../../../support/registry-image.ts'

const directory = mkdtempSync(join(tmpdir(), 'ossb-connection-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const authority: Authority = createAuthority(directory)
const good: IssuedCertificate = authority.issue('good', { names: ['localhost', '127.0.0.1'] })
const PATH = `/v2/r/x/blobs/${blob.digest}`

const served = ({ cert, key }: IssuedCertificate, trusted = true): FaultLabOptions => ({
  tls: { cert, key },
  ...(trusted ? { environment: { SSL_CERT_FILE: authority.caFile } } : {}),
})

const redirected = (location: string, times?: number): FaultRow => ({
  ...GET_BLOB,
  ...(times === undefined ? {} : { times }),
  answer: busy(307, { location }),
})

/** A place that a registry sends its readers to. */
async function storage(faults: readonly FaultRow[] = [], options: FaultLabOptions = {}) {
  const made = await lab(faults, options)
  made.registry.blobs.set(blob.digest, BLOB)
  return made
}

const TOO_OLD = { names: ['127.0.0.1'], from: '20200101000000Z', to: '20210101000000Z' }
const TOO_NEW = { names: ['127.0.0.1'], from: '20400101000000Z', to: '20410101000000Z' }

describe('B1 a certificate', () => {
  const BY = 'issuer "CN=OSSB test authority"'
  test.each([
    [
      'of an unknown authority',
      () => served(good, false),
      `its authority is not known here (UNABLE_TO_VERIFY_LEAF_SIGNATURE, subject "CN=localhost", ${BY})`,
      /^Name the file of its authority with --registry-certificate 127\.0\.0\.1:\d+=FILE or in SSL_CERT_FILE, put it into \/etc\/docker\/certs\.d\/127\.0\.0\.1:\d+ as ca\.crt, or use --insecure-registry 127/,
    ],
    [
      'that has expired',
      () => served(authority.issue('old', TOO_OLD)),
      `it expired at Jan  1 00:00:00 2021 GMT (CERT_HAS_EXPIRED, subject "CN=127.0.0.1", ${BY})`,
      /^Check the clock of this machine/,
    ],
    [
      'that is not valid yet',
      () => served(authority.issue('new', TOO_NEW)),
      `it is not valid before Jan  1 00:00:00 2040 GMT (CERT_NOT_YET_VALID, subject "CN=127.0.0.1", ${BY})`,
      /^Check the clock of this machine/,
    ],
    [
      'for another host',
      () => served(authority.issue('other', { names: ['other.test', 'more.test'] })),
      `it is for other.test, more.test and not for 127.0.0.1:PORT (ERR_TLS_CERT_ALTNAME_INVALID, subject "CN=other.test", ${BY})`,
      /^Use a name that the certificate is for/,
    ],
  ])('%s is refused at once, and named', async (_name, options, why, hint) => {
    const made = await lab([], options())
    const error = await pullFails(made)
    expect(error).toMatchObject({
      code: 'ERR_OSSB_NETWORK',
      message: `Cannot pull blob ${blob.digest} from "${made.host}/r/x": the certificate of ${made.host} is not trusted: ${why.replace('127.0.0.1:PORT', made.host)}`,
      hint: expect.stringMatching(hint),
    })
    expect(made.registry.seen).toEqual([])
    expect(made.clock.slept).toEqual([])
  })
})

/** Fails, and leaves nothing; a repetition would fail as well. */
async function pullFails(made: Awaited<ReturnType<typeof lab>>): Promise<unknown> {
  const error: unknown = await made.read().catch((thrown: unknown) => thrown)
  expectNoSecret([error, made.job.events], ['opensesame'])
  return error
}

describe('B2 a registry', () => {
  test('with TLS that may be insecure is spoken to by TLS', async () => {
    const made = await lab([], { ...served(good, false), insecureRegistries: ['127.0.0.1'] })
    expect(await pullIntoStore(made)).toBeUndefined()
    expect(made.lines('GET')).toContain('/v2/')
  })

  test('without TLS is spoken to by http only where that was allowed', async () => {
    const options = { name: 'registry.test', lookup: loopback }
    const refused = await lab([], options)
    expect(await pullFails(refused)).toMatchObject({
      code: 'ERR_OSSB_NETWORK',
      message: expect.stringMatching(/wrong version number|WRONG_VERSION_NUMBER/i),
      hint: expect.stringMatching(
        /^registry\.test:\d+ does not answer with TLS\. .*use --insecure-registry registry\.test:\d+\.$/,
      ),
    })
    expect(refused.registry.seen).toEqual([])
    const allowed = await lab([], { ...options, insecureRegistries: ['registry.test'] })
    expect(await pullIntoStore(allowed)).toBeUndefined()
  })
})

describe('B3 a redirect', () => {
  const challenge: FaultRow = {
    ...GET_BLOB,
    times: 1,
    answer: busy(401, { 'www-authenticate': 'Basic realm="x"' }),
  }
  const options = { auth: 'alice:opensesame' }

  test.each([
    ['another origin', {}],
    ['another scheme', served(good)],
  ])('to %s takes no Authorization and no Cookie along', async (_name, there) => {
    const place = await storage([], there)
    const scheme = 'tls' in there ? 'https' : 'http'
    const location = `${scheme}://${place.host}${PATH}`
    const sent: FaultRow = {
      ...GET_BLOB,
      answer: busy(307, { location, 'set-cookie': 'session=opensesame' }),
    }
    const trust = { environment: { SSL_CERT_FILE: authority.caFile } }
    const made = await lab([challenge, sent], { ...trust, ...options })
    expect(digestOf(await made.read())).toBe(blob.digest)
    expect(made.registry.seen.at(-1)?.authorization).toMatch(/^Basic /)
    const blobs = place.registry.seen.filter(({ path }) => path === PATH)
    expect(blobs.map(({ authorization, cookie }) => [authorization, cookie])).toEqual([
      [undefined, undefined],
    ])
  })

  test('to the same origin keeps it', async () => {
    const made = await lab([challenge, redirected(`/v2/other/blobs/${blob.digest}`, 1)], options)
    made.registry.blobs.set(blob.digest, BLOB)
    await made.read()
    expect(made.registry.seen.at(-1)).toMatchObject({
      path: `/v2/other/blobs/${blob.digest}`,
      authorization: expect.stringMatching(/^Basic /),
    })
  })

  test('to a place that asks for a login gets none of the credentials of the registry', async () => {
    const evil = await lab([])
    const place = await storage([
      {
        ...GET_BLOB,
        answer: busy(401, { 'www-authenticate': `Bearer realm="http://${evil.host}/token",service="s"` }),
      },
    ])
    const made = await lab([challenge, redirected(`http://${place.host}${PATH}`)], options)
    await pullFails(made)
    const authorizations = [...place.registry.seen, ...evil.registry.seen].map((one) => one.authorization)
    expect(evil.registry.seen.length).toBeGreaterThan(0)
    expect(authorizations.filter((one) => one !== undefined)).toEqual([])
  })

  test('to another registry is followed with a token that needs no login', async () => {
    const tokens = await lab([
      {
        method: 'GET',
        path: /^\/token/,
        answer: { type: 'status', status: 200, body: '{"token":"anonymous"}' },
      },
    ])
    const realm = `Bearer realm="http://${tokens.host}/token",service="s",scope="repository:r/x:pull"`
    const place = await storage([{ ...GET_BLOB, times: 1, answer: busy(401, { 'www-authenticate': realm }) }])
    const made = await lab([redirected(`http://${place.host}${PATH}`)])
    expect(await pullIntoStore(made)).toBeUndefined()
    expect(tokens.lines('GET')).toEqual(['/token?service=s&scope=repository%3Ar%2Fx%3Apull'])
    expect(place.registry.seen.map((one) => one.authorization)).toEqual([undefined, 'Bearer anonymous'])
  })
})

describe('B4 a redirect is refused', () => {
  const metadata: LookupFunction = (name, options, callback) =>
    name === 'evil.test'
      ? callback(
          null,
          options.all === true ? [{ address: '169.254.169.254', family: 4 }] : '169.254.169.254',
          4,
        )
      : loopback(name, options, callback)
  const secure = served(good)

  const refusals: readonly (readonly [string, string | undefined, RegExp, FaultLabOptions])[] = [
    [
      'in a circle',
      '/v2/r/x/blobs/sha256:loop',
      /there are more than ten \((http:\S+ -> ){10,}http:\S+\)$/,
      {},
    ],
    ['without Location', undefined, /its Location header is missing or not a URL/, {}],
    ['to no URL', 'http://', /its Location header is missing or not a URL/, {}],
    [
      'from https to http',
      'http://storage.test/x',
      /it leads from https to http \(https:\S+ -> http:\/\/storage\.test\/x\)$/,
      secure,
    ],
    [
      'to a metadata address',
      'http://169.254.169.254/latest',
      /it leads to a link-local or metadata address/,
      {},
    ],
    ['to a file', 'file:///etc/passwd', /"file:" is not followed/, {}],
    [
      'from outside to this machine',
      'http://127.0.0.1:1/x',
      /it leads from another machine to this one/,
      { name: 'registry.test', insecureRegistries: ['registry.test'], lookup: loopback },
    ],
  ]
  test.each(refusals)('%s', async (_name, location, why, options) => {
    const answer = busy(307, typeof location === 'string' ? { location } : {})
    const made = await lab([{ ...GET_BLOB, answer }], options)
    expect(await pullIntoStore(made)).toMatchObject({
      code: 'ERR_OSSB_REGISTRY',
      message: expect.stringMatching(why),
    })
  })

  test('to a name that stands for a metadata address', async () => {
    const made = await lab([redirected('http://evil.test/x?sig=opensesame')], { lookup: metadata })
    const error = await pullIntoStore(made, ['opensesame'])
    expect(error).toMatchObject({
      code: 'ERR_OSSB_NETWORK',
      message: expect.stringContaining(
        'evil.test stands for 169.254.169.254, a link-local or metadata address',
      ),
    })
  })
})

describe('B5 storage that refuses a signed address', () => {
  const signed = (host: string) => `http://${host}${PATH}?X-Amz-Signature=opensesame`

  test('is asked again with a new one from the registry', async () => {
    const place = await storage([{ ...GET_BLOB, times: 1, answer: busy(403) }])
    const made = await lab([redirected(signed(place.host))])
    expect(await pullIntoStore(made)).toBeUndefined()
    expect(made.lines('GET').filter((line) => line.includes('blobs'))).toHaveLength(2)
  })

  test('in the middle of a download is asked for the rest', async () => {
    const place = await storage([
      { ...GET_BLOB, times: 1, answer: { type: 'cut', after: 100_000 } },
      { ...GET_BLOB, times: 1, answer: busy(403) },
    ])
    const made = await lab([redirected(signed(place.host))])
    expect(await pullIntoStore(made)).toBeUndefined()
    expect(place.registry.seen.map((one) => one.range)).toEqual([
      undefined,
      'bytes=100000-399999',
      'bytes=100000-399999',
    ])
  })

  test('each time is an error that names it, and not its signature', async () => {
    const place = await storage([{ ...GET_BLOB, answer: busy(403) }])
    const made = await lab([redirected(signed(place.host))])
    expect(await pullIntoStore(made, ['opensesame'])).toMatchObject({
      code: 'ERR_OSSB_REGISTRY',
      message: expect.stringContaining(`403 Forbidden to GET http://${place.host}${PATH}, after 3 attempts`),
      hint: expect.stringContaining(`${made.host} sent us there for the content`),
    })
  })
})

test('B6 storage that cuts a body is asked for the rest through a new redirect', async () => {
  const place = await storage([{ ...GET_BLOB, times: 2, answer: { type: 'cut', after: 100_000 } }])
  const made = await lab([redirected(`http://${place.host}${PATH}`)])
  expect(await pullIntoStore(made)).toBeUndefined()
  const ranges = [undefined, 'bytes=100000-399999', 'bytes=200000-399999']
  expect(place.registry.seen.map((one) => one.range)).toEqual(ranges)
  expect(made.registry.seen.filter(({ path }) => path === PATH).map((one) => one.range)).toEqual(ranges)
})

describe('B7 a proxy', () => {
  const insecure = { name: 'registry.test', insecureRegistries: ['registry.test'] }
  const through = async (
    proxy: Partial<ProxyServerOptions>,
    options: FaultLabOptions,
    url = (host: string) => `http://${host}`,
  ) => {
    const target = await storage([], options.tls === undefined ? {} : { tls: options.tls })
    const server = await startProxy({ to: target.registry.host, ...proxy })
    const uri = url(server.host)
    const environment = { ...options.environment, HTTP_PROXY: uri, HTTPS_PROXY: uri }
    const made = await lab([], { ...options, environment })
    return { made, server, target }
  }
  const trusted = {
    ...served(authority.issue('proxied', { names: ['registry.test'] })),
    name: 'registry.test',
  }

  test.each([
    ['plain http', insecure],
    ['TLS', trusted],
  ])('that asks for a password and gets none is named (%s)', async (_name, options) => {
    const { made, server } = await through({ auth: 'alice:opensesame' }, options)
    expect(await pullFails(made)).toMatchObject({
      code: 'ERR_OSSB_NETWORK',
      message: expect.stringContaining(
        `the proxy http://${server.host} asks for a user and a password (407), or refuses those that were given`,
      ),
      hint: expect.stringContaining('HTTPS_PROXY'),
    })
    expect(made.clock.slept).toEqual([])
  })

  test.each([
    ['plain http', insecure],
    ['TLS', trusted],
  ])('gets the password in its URL (%s)', async (_name, options) => {
    const url = (host: string) => `http://alice:open%20sesame@${host}`
    const { made, server } = await through({ auth: 'alice:open sesame' }, options, url)
    expect(digestOf(await made.read())).toBe(blob.digest)
    expect(server.seen).toContain(`${options === insecure ? 'GET' : 'CONNECT'} ${made.host}`)
  })

  test('that opens no tunnel is named', async () => {
    const { made, server } = await through({ refuseTunnels: 403 }, trusted)
    expect(await pullFails(made)).toMatchObject({
      code: 'ERR_OSSB_NETWORK',
      message: expect.stringContaining(`the proxy http://${server.host} refused the connection (403)`),
    })
    expect(server.seen).toHaveLength(1)
  })

  test('that opens no tunnel is asked for whole URLs where plain http is allowed', async () => {
    const { made } = await through({ refuseTunnels: 403 }, insecure)
    expect(digestOf(await made.read())).toBe(blob.digest)
  })

  test('that is busy is asked again', async () => {
    const { made, server } = await through({ refuseTunnels: 503 }, trusted)
    expect(await pullFails(made)).toMatchObject({
      message: expect.stringMatching(/\(503\), after 6 attempts$/),
    })
    expect(server.seen).toHaveLength(6)
  })

  test.each([
    ['plain http', insecure],
    ['TLS', trusted],
  ])('that is down is named (%s)', async (_name, options) => {
    const { made } = await through({}, options, () => 'http://alice:opensesame@127.0.0.1:1')
    expect(await pullFails(made)).toMatchObject({
      code: 'ERR_OSSB_NETWORK',
      message: expect.stringContaining("the proxy http://127.0.0.1:1 can't be used: connect ECONNREFUSED"),
    })
  })

  test('is not used for what NO_PROXY names', async () => {
    const options = { ...insecure, lookup: loopback, environment: { NO_PROXY: '.other.test, registry.test' } }
    const { made, server } = await through({}, options)
    expect(await pullIntoStore(made)).toBeUndefined()
    expect(server.seen).toEqual([])
  })

  test('is not used for a network that NO_PROXY names', async () => {
    const refusing: FaultLabOptions = {
      ...insecure,
      name: '192.0.2.1',
      environment: { NO_PROXY: '192.0.2.0/24' },
    }
    const { made, server } = await through({}, refusing)
    const controller = new AbortController()
    const reading = made.remote.open(blob, { signal: controller.signal, emit: () => {} })
    setTimeout(() => controller.abort(new Error('long enough')), 200)
    await expect(reading).rejects.toThrow()
    expect(server.seen).toEqual([])
  })
})

describe('B8 a registry that wants a client certificate', () => {
  let registry: RunningRegistry
  beforeAll(async () => {
    registry = await startRegistry({ tls: true, clientCertificates: true })
  })
  afterAll(() => registry.stop())

  /** The client looks into `docker/certs.d` of this configuration directory. */
  async function push(prepare: (config: string) => void): Promise<unknown> {
    const config = mkdtempSync(join(directory, 'config-'))
    prepare(config)
    await using client = createRegistryClient({
      insecureRegistries: [],
      environment: { SSL_CERT_FILE: registry.caFile ?? '', XDG_CONFIG_HOME: config },
      clock: fakeClock(),
    })
    const remote = client.repository({ registry: registry.host, repository: 'r/x' })
    return remote.put(blob, openBytes, recordingJob()).then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
  }

  const refused = {
    code: 'ERR_OSSB_NETWORK',
    message: expect.stringMatching(/alert/i),
    hint: expect.stringMatching(
      /ended the TLS handshake: .*put them into \/etc\/docker\/certs\.d\/127\.0\.0\.1:\d+ as client\.cert and client\.key/,
    ),
  }

  test('and gets none is an error that names the alert and what to do', async () => {
    expect(await push(() => {})).toMatchObject(refused)
  })

  test('and gets one of a stranger is the same error', async () => {
    const strangers = createAuthority(mkdtempSync(join(directory, 'strangers-')), 'Strangers')
    const mallory = strangers.issue('client', { names: ['mallory'] })
    expect(await push((config) => writeClientCertificate(config, registry.host, mallory))).toMatchObject(
      refused,
    )
  })

  test('gets the one in certs.d', async () => {
    const own = registry.client ?? good
    expect(await push((config) => writeClientCertificate(config, registry.host, own))).toBeUndefined()
  })

  test('gets an error when the key is missing', async () => {
    const error = await push((config) => {
      writeClientCertificate(config, registry.host, good)
      rmSync(join(config, 'docker/certs.d', registry.host, 'client.key'))
    })
    expect(error).toMatchObject({
      code: 'ERR_OSSB_USAGE',
      message: expect.stringMatching(/^Cannot use the client certificate ".*client\.cert": it has no key$/),
    })
  })
})

function writeClientCertificate(config: string, host: string, { cert, key }: IssuedCertificate): void {
  const place = join(config, 'docker/certs.d', host)
  mkdirSync(place, { recursive: true })
  writeFileSync(join(place, 'client.cert'), cert)
  writeFileSync(join(place, 'client.key'), key)
}
