import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Descriptor } from '../../../src/core/index.ts'
import {
  copy,
  createRegistryClient,
  type RegistryClient,
  resolveForPlatform,
} from '../../../src/registry/index.ts'
import { type FaultRow, startFaultRegistry } from '../../support/fault-registry.ts'
import { type RegistryTestOptions, type RunningRegistry, startRegistry } from '../../support/registry.ts'
import {
  addImage,
  type MemoryRepository,
  memoryRepository,
  recordingJob,
} from '../../support/registry-image.ts'

const endings: (() => PromiseLike<unknown>)[] = []
let image: Descriptor
let source: MemoryRepository
let directory = ''

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'ossb-mirrors-'))
  source = memoryRepository()
  image = addImage(source, [200_000, 1000])
})

afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end()
  rmSync(directory, { recursive: true, force: true })
})

type ClientOptions = Partial<Parameters<typeof createRegistryClient>[0]>

function clientWith(options: ClientOptions = {}): RegistryClient {
  // Back-off takes no time here.
  let now = 0
  const clock = {
    now: () => now,
    random: () => 0,
    sleep(ms: number) {
      now += ms
      return Promise.resolve()
    },
  }
  const client = createRegistryClient({
    insecureRegistries: [],
    environment: { HOME: directory },
    clock,
    stallMs: 300,
    ...options,
  })
  endings.push(() => client[Symbol.asyncDispose]())
  return client
}

async function realRegistry(options: RegistryTestOptions = {}): Promise<RunningRegistry> {
  const registry = await startRegistry(options)
  endings.push(() => registry.stop())
  return registry
}

/** A registry in this process with the image in it, as hub/app:1. */
async function faultRegistry(...rows: readonly FaultRow[]) {
  const faults: FaultRow[] = []
  const registry = await startFaultRegistry({ faults })
  endings.push(() => registry.stop())
  await fill(clientWith(), registry.host, 'hub/app')
  const before = registry.seen.length
  // The content was there before the trouble began.
  faults.push(...rows)
  return {
    host: registry.host,
    manifests: registry.manifests,
    faults,
    seen: () => registry.seen.slice(before),
  }
}

async function fill(client: RegistryClient, registry: string, repository: string): Promise<void> {
  const remote = client.repository({ registry, repository }, {})
  await copy(source, remote, image, recordingJob())
  await remote.tag(image, '1', recordingJob())
}

const through = (registry: string, ...hosts: readonly string[]): ClientOptions => ({
  registryMaps: [{ registry, mirrors: hosts.map((host) => ({ host })) }],
})

async function pull(client: RegistryClient, registry: string, repository = 'hub/app') {
  const job = recordingJob()
  const remote = client.repository({ registry, repository, tag: '1' })
  const { root } = await resolveForPlatform(
    remote,
    { name: '1', reference: 'app:1' },
    { os: 'linux', architecture: 'amd64' },
    job,
  )
  const destination = memoryRepository()
  await copy(remote, destination, root, job)
  expect(destination.contents.size).toBe(source.contents.size)
  return job
}

const warningsOf = ({ events }: ReturnType<typeof recordingJob>) =>
  events.flatMap((event) => (event.type === 'warning' ? [event.message] : []))

const status = (code: number, path = /\/hub\/app\//): FaultRow => ({
  method: '*',
  path,
  answer: { type: 'status', status: code },
})

test.each([
  ['404', status(404), false],
  ['401', status(401), true],
  ['403', status(403), true],
  ['500', status(500), true],
  ['no answer', { method: '*', path: /hub/, answer: { type: 'deaf' } }, true],
  ['a broken connection', { method: '*', path: /hub/, answer: { type: 'reset' } }, true],
] as const)('F1: a mirror that answers with %s: the registry is asked', async (_name, fault, isTold) => {
  const mirror = await faultRegistry()
  const origin = await faultRegistry()
  mirror.faults.push(fault)
  const job = await pull(clientWith(through(origin.host, mirror.host)), origin.host)
  expect(mirror.seen().length).toBeGreaterThan(0)
  expect(origin.seen().length).toBeGreaterThan(3)
  expect(warningsOf(job).length > 0).toBe(isTold)
})

test('a mirror in trouble is asked twice, the last place as often as any registry', async () => {
  const [mirror, origin] = [await faultRegistry(status(503)), await faultRegistry(status(503))]
  await expect(pull(clientWith(through(origin.host, mirror.host)), origin.host)).rejects.toThrow('503')
  const resolving = ({ path }: { path: string }) => path.endsWith('/manifests/1')
  expect(mirror.seen().filter(resolving)).toHaveLength(2)
  expect(origin.seen().filter(resolving)).toHaveLength(6)
})

test('a mirror that asks for a pause is not waited for', async () => {
  const mirror = await faultRegistry({
    method: '*',
    path: /\/hub\/app\//,
    answer: { type: 'status', status: 429, headers: { 'retry-after': '100' } },
  })
  const origin = await faultRegistry()
  const pauses: number[] = []
  const clock = {
    now: () => 0,
    random: () => 0,
    sleep: (ms: number) => Promise.resolve(void pauses.push(ms)),
  }
  const job = await pull(clientWith({ ...through(origin.host, mirror.host), clock }), origin.host)
  expect(warningsOf(job).join()).toContain('429')
  expect(mirror.seen().filter(({ path }) => path.includes('/hub/app/'))).toHaveLength(1)
  expect(pauses).toEqual([])
})

test('F1: a mirror whose certificate nobody knows is passed over; the registry is not spoken to without need', async () => {
  const mirror = await realRegistry({ tls: true })
  const origin = await faultRegistry()
  const job = await pull(clientWith(through(origin.host, mirror.host)), origin.host)
  expect(warningsOf(job).join()).toMatch(/certificate.*Asking the next place/)
  const untouched = origin.seen().length
  await fill(clientWith({ insecureRegistries: [mirror.host] }), mirror.host, 'hub/app')
  await pull(
    clientWith({ ...through(origin.host, mirror.host), insecureRegistries: [mirror.host] }),
    origin.host,
  )
  expect(origin.seen()).toHaveLength(untouched)
})

test('F1: when no place has it, the error tells what each said', async () => {
  const [first, second] = [await faultRegistry(), await faultRegistry()]
  first.faults.push(status(404))
  second.faults.push(status(503))
  const options = through('docker.io', '127.0.0.1:1', first.host, second.host)
  const client = clientWith({ ...options, skipDefaultRegistryFallback: true })
  const error: unknown = await pull(client, 'docker.io').catch((thrown: unknown) => thrown)
  const { message } = error as Error
  const [head, ...lines] = message.split('\n')
  expect(head).toBe('Cannot find "1" for "docker.io/hub/app": none of 3 places gave it:')
  expect(lines).toEqual([
    expect.stringMatching(/^ {2}- Cannot find "1" in "127\.0\.0\.1:1\/hub\/app": .*ECONNREFUSED/),
    expect.stringMatching(new RegExp(`^ {2}- Cannot find "1" in "${first.host}/hub/app": 404`)),
    expect.stringMatching(new RegExp(`^ {2}- Cannot find "1" in "${second.host}/hub/app": 503`)),
  ])
})

test('F2: wrong bytes from a mirror are never kept: the next place gives the right ones', async () => {
  const mirror = await faultRegistry({
    method: 'GET',
    path: /\/blobs\//,
    answer: { type: 'flip', at: 500 },
  })
  const origin = await faultRegistry()
  const job = await pull(clientWith(through(origin.host, mirror.host)), origin.host)
  expect(warningsOf(job)).toContainEqual(
    expect.stringMatching(/its digest is sha256:.* Asking another place\.$/),
  )
})

test('F3: a mirror that dies after the manifest is left alone, and its blobs come from the registry', async () => {
  const mirror = await faultRegistry({ method: 'GET', path: /\/blobs\//, answer: { type: 'reset' } })
  const origin = await faultRegistry()
  const client = clientWith(through(origin.host, mirror.host))
  await pull(client, origin.host)
  const requests = mirror.seen().length
  await pull(client, origin.host)
  expect(mirror.seen()).toHaveLength(requests)
})

test('a blob that a mirror breaks off is taken up where it ended', async () => {
  const mirror = await faultRegistry({
    method: 'GET',
    path: /\/blobs\//,
    answer: { type: 'cut', after: 600 },
  })
  const origin = await faultRegistry()
  await pull(clientWith(through(origin.host, mirror.host)), origin.host)
  expect(origin.seen().some(({ path }) => path.includes('/blobs/'))).toBe(true)
})

test('F4: a mirror gets its own credentials and none of the registry', async () => {
  const asking: FaultRow = {
    method: '*',
    path: /\/hub\/app\//,
    times: 1,
    answer: { type: 'status', status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } },
  }
  const [mirror, origin] = [await faultRegistry(), await faultRegistry()]
  mirror.faults.push({ ...asking, times: Number.POSITIVE_INFINITY })
  origin.faults.push(asking)
  const auths = { [origin.host]: { username: 'alice', password: 'for-origin' } }
  const environment = { DOCKER_AUTH_CONFIG: JSON.stringify({ auths }) }
  await pull(clientWith({ ...through(origin.host, mirror.host), environment }), origin.host)
  const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`
  expect(
    mirror
      .seen()
      .map(({ authorization }) => authorization)
      .filter(Boolean),
  ).toEqual([])
  expect(origin.seen().map(({ authorization }) => authorization)).toContain(basic('alice:for-origin'))

  const both = { ...auths, [mirror.host]: { username: 'bob', password: 'for-mirror' } }
  mirror.faults.splice(0, 1, asking)
  const requests = origin.seen().length
  const withBoth = { DOCKER_AUTH_CONFIG: JSON.stringify({ auths: both }) }
  await pull(clientWith({ ...through(origin.host, mirror.host), environment: withBoth }), origin.host)
  expect(mirror.seen().map(({ authorization }) => authorization)).toContain(basic('bob:for-mirror'))
  expect(mirror.seen().map(({ authorization }) => authorization)).not.toContain(basic('alice:for-origin'))
  expect(origin.seen()).toHaveLength(requests)
})

test('a real pull-through mirror, with a path in front and plain HTTP', async () => {
  const upstream = await realRegistry()
  await fill(clientWith(), upstream.host, 'library/app')
  const mirror = await realRegistry({ mirrorOf: `http://${upstream.host}` })
  const job = await pull(
    clientWith({ ...through('docker.io', mirror.host), skipDefaultRegistryFallback: true }),
    'docker.io',
    'library/app',
  )
  const said = job.events.flatMap((event) =>
    event.type === 'log' ? [Buffer.from(event.chunk).toString()] : [],
  )
  expect(said).toEqual([`docker.io/library/app comes from ${mirror.host}/library/app\n`])
  // What is not there: the next place.
  const empty = await realRegistry()
  const maps = [
    { registry: 'docker.io', mirrors: [{ host: empty.host }, { host: upstream.host, prefix: 'library' }] },
  ]
  await pull(clientWith({ registryMaps: maps, skipDefaultRegistryFallback: true }), 'docker.io', 'app')
})

test('what is pushed goes to the registry, or where registries.conf has moved it', async () => {
  const [mirror, origin] = [await faultRegistry(), await faultRegistry()]
  await fill(clientWith(through(origin.host, mirror.host)), origin.host, 'new/app')
  expect(mirror.seen()).toEqual([])
  const registriesConf = join(directory, 'registries.conf')
  writeFileSync(registriesConf, `[[registry]]\nprefix = "r.test/team"\nlocation = "${origin.host}/moved"\n`)
  const client = clientWith({ registriesConf })
  await client.checkPush({ registry: 'r.test', repository: 'team/app' }, recordingJob())
  await fill(client, 'r.test', 'team/app')
  expect(origin.manifests.has('moved/app:1')).toBe(true)
})

test('insecure of registries.conf holds for its own place', async () => {
  const { host } = await realRegistry({ tls: true })
  await fill(clientWith({ insecureRegistries: [host] }), host, 'hub/app')
  const registriesConf = join(directory, 'registries.conf')
  writeFileSync(
    registriesConf,
    `[[registry]]\nprefix = "${host}/hub"\ninsecure = true\n[[registry]]\nprefix = "${host}/bad"\nblocked = true\n`,
  )
  const client = clientWith({ registriesConf })
  await pull(client, host)
  await expect(pull(client, host, 'other/app')).rejects.toMatchObject({ code: 'ERR_OSSB_NETWORK' })
  await expect(pull(client, host, 'bad/app')).rejects.toMatchObject({
    message: `Cannot use "${host}/bad/app": "${registriesConf}" blocks it`,
  })
})

test('a map that nobody needed is told of', async () => {
  const { host } = await faultRegistry()
  const map = (registry: string, warnUnused: boolean) => ({ registry, mirrors: [{ host }], warnUnused })
  const client = clientWith({
    registryMaps: [map(host, true), map('r.test', true), map('s.test', false)],
  })
  await pull(client, host)
  const job = recordingJob()
  client.warnUnused(job)
  expect(warningsOf(job)).toEqual(['No image of "r.test" was asked for: its --registry-map was not used'])
})

test('an authority may be for one registry alone', async () => {
  const [one, other] = [await realRegistry({ tls: true }), await realRegistry({ tls: true })]
  const authorities = join(directory, 'both.pem')
  writeFileSync(
    authorities,
    readFileSync(one.caFile ?? '', 'utf8') + readFileSync(other.caFile ?? '', 'utf8'),
  )
  const client = clientWith({ certificates: [{ registry: one.host, authorities }] })
  await fill(client, one.host, 'hub/app')
  await pull(client, one.host)
  await expect(pull(client, other.host)).rejects.toMatchObject({
    code: 'ERR_OSSB_NETWORK',
    message: expect.stringContaining('certificate'),
  })
  await fill(clientWith({ certificates: [{ registry: '127.0.0.1', authorities }] }), other.host, 'hub/app')
})

test('a client certificate is shown to the registry that wants it', async () => {
  const { host, caFile = '', client: issued } = await realRegistry({ tls: true, clientCertificates: true })
  const authority = { registry: host, authorities: caFile }
  await expect(pull(clientWith({ certificates: [authority] }), host)).rejects.toThrow('Cannot find "1"')
  const named = [
    authority,
    { registry: host, ...(issued ? { client: { certificate: issued.certFile, key: issued.keyFile } } : {}) },
  ]
  await fill(clientWith({ certificates: named }), host, 'hub/app')

  const certs = join(directory, 'certs')
  mkdirSync(join(certs, host), { recursive: true })
  const put = (name: string, from = '') => writeFileSync(join(certs, host, name), readFileSync(from))
  put('ca.crt', caFile)
  put('own.cert', issued?.certFile)
  await expect(pull(clientWith({ certDirs: [certs] }), host)).rejects.toMatchObject({
    message: `Cannot use the client certificate "${join(certs, host, 'own.cert')}": it has no key`,
  })
  put('own.key', issued?.keyFile)
  await pull(clientWith({ certDirs: [certs] }), host)

  const users = join(directory, '.config/containers')
  mkdirSync(users, { recursive: true })
  mkdirSync(join(users, 'certs.d', host), { recursive: true })
  for (const name of ['ca.crt', 'own.cert', 'own.key'])
    writeFileSync(join(users, 'certs.d', host, name), readFileSync(join(certs, host, name)))
  await pull(clientWith(), host)
})

test.each([
  [
    { certificates: [{ registry: 'HOST', authorities: '/gone.pem' }] },
    'Cannot read "/gone.pem": ENOENT',
    'registry-certificate',
  ],
  [
    { certificates: [{ registry: 'HOST', authorities: '/etc/hostname' }] },
    'Cannot use "/etc/hostname" for --registry-certificate: it holds no certificate',
    'PEM',
  ],
  [
    { certificates: [{ registry: 'HOST', client: { certificate: '/gone.pem', key: '/gone.key' } }] },
    'Cannot read "/gone.pem": ENOENT',
    'registry-client-cert',
  ],
  [
    { certificates: [{ registry: 'HOST', client: { certificate: '/etc/hostname', key: '/etc/hostname' } }] },
    'Cannot use "/etc/hostname" and "/etc/hostname" for --registry-client-cert: ',
    'PEM',
  ],
  [{ certDirs: ['/gone'] }, 'Cannot use "/gone" for --cert-dir: ENOENT', 'registry.example.com:5000'],
])('%j is one error that names the flag, and no mirror helps', async (options, message, hint) => {
  // Nobody has to answer there.
  const host = '127.0.0.1:9'
  const named = JSON.parse(JSON.stringify(options).replaceAll('HOST', host)) as ClientOptions
  const error: unknown = await pull(clientWith({ ...through('r.test', host), ...named }), 'r.test').catch(
    (thrown: unknown) => thrown,
  )
  expect(error).toMatchObject({
    code: 'ERR_OSSB_USAGE',
    message: expect.stringContaining(message),
    hint: expect.stringContaining(hint),
  })
})
