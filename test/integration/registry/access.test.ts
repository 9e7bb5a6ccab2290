import { once } from 'node:events'
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { copy, createRegistryClient, type RegistryClient } from '../../../src/registry/index.ts'
import { startProxy } from '../../support/proxy-server.ts'
import { type RegistryTestOptions, type RunningRegistry, startRegistry } from '../../support/registry.ts'
import { addImage, memoryRepository, recordingJob } from '../../support/registry-image.ts'

const USER = { user: 'alice', password: 'opensesame' }
const endings: (() => PromiseLike<unknown>)[] = []

afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end()
})

async function registryWith(options: RegistryTestOptions): Promise<RunningRegistry> {
  const registry = await startRegistry(options)
  endings.push(() => registry.stop())
  return registry
}

function clientWith(
  environment: Readonly<Record<string, string>>,
  insecureRegistries: readonly string[] = [],
): RegistryClient {
  const client = createRegistryClient({ insecureRegistries, environment })
  endings.push(() => client[Symbol.asyncDispose]())
  return client
}

async function serving(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  endings.push(() => {
    server.closeAllConnections()
    server.close()
    return once(server, 'close')
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const inline = (host: string, password = USER.password) => ({
  DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { [host]: { username: USER.user, password } } }),
})

async function roundTrip(client: RegistryClient, host: string): Promise<void> {
  const source = memoryRepository()
  const image = addImage(source, [100_000])
  const remote = client.repository({ registry: host, repository: 'a/b' })
  await copy(source, remote, image, recordingJob())
  await remote.tag(image, 'v1', recordingJob())
  const back = memoryRepository()
  await copy(remote, back, await remote.resolve('v1', recordingJob()), recordingJob())
  expect(back.contents.size).toBe(source.contents.size)
}

test('a certificate of an unknown authority is refused at once, and the hint says what to do', async () => {
  const { host } = await registryWith({ tls: true })
  const started = performance.now()
  await expect(
    clientWith({}).repository({ registry: host, repository: 'x' }).resolve('v1', recordingJob()),
  ).rejects.toMatchObject({
    code: 'ERR_OSSB_NETWORK',
    message: expect.stringMatching(/^Cannot find "v1" in "127.0.0.1:\d+\/x": .*certificate/),
    hint: expect.stringContaining(`use --insecure-registry ${host}`),
  })
  expect(performance.now() - started).toBeLessThan(4000)
})

test('an insecure registry may have any certificate, or none', async () => {
  const tls = await registryWith({ tls: true })
  const plain = await registryWith({})
  const client = clientWith({}, [tls.host, plain.host])
  await roundTrip(client, tls.host)
  await roundTrip(client, plain.host)
})

test.each(['SSL_CERT_FILE', 'NODE_EXTRA_CA_CERTS'])('%s names an authority', async (name) => {
  const { host, caFile = '' } = await registryWith({ tls: true })
  await roundTrip(clientWith({ [name]: caFile }), host)
})

test('SSL_CERT_DIR names a directory of authorities', async () => {
  const { host, caFile = '' } = await registryWith({ tls: true })
  await roundTrip(clientWith({ SSL_CERT_DIR: join(caFile, '..') }), host)
})

test('SSL_CERT_FILE must be there', async () => {
  const { host } = await registryWith({ tls: true })
  const client = clientWith({ SSL_CERT_FILE: '/nonexistent/ca.pem' })
  await expect(
    client.repository({ registry: host, repository: 'x' }).resolve('v1', recordingJob()),
  ).rejects.toMatchObject({ message: 'Cannot read the certificates in "/nonexistent/ca.pem": ENOENT' })
})

test.each([{ token: false }, { token: true }])(
  'a refused login names the source of the credentials (%j)',
  async ({ token }) => {
    const { host } = await registryWith({ auth: USER, token })
    const home = mkdtempSync(join(tmpdir(), 'ossb-registry-home-'))
    endings.push(() => Promise.resolve(rmSync(home, { recursive: true, force: true })))
    const path = join(home, 'config.json')
    writeFileSync(
      path,
      JSON.stringify({ auths: { [host]: { username: 'alice', password: 'wrongpassword' } } }),
    )
    const client = clientWith({ DOCKER_CONFIG: home })
    const started = performance.now()
    const error: unknown = await client
      .checkPush({ registry: host, repository: 'x' }, recordingJob())
      .catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({
      code: 'ERR_OSSB_UNAUTHORIZED',
      message: expect.stringMatching(
        /^Cannot push to "127.0.0.1:\d+\/x": (login refused: )?401 UNAUTHORIZED/,
      ),
      hint: expect.stringContaining(
        `The credentials for ${host} came from the file ${path} (entry "${host}")`,
      ),
    })
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('wrongpassword')
    expect(performance.now() - started).toBeLessThan(4000)
  },
)

test('without credentials the hint says where they were looked for and how to log in', async () => {
  const { host } = await registryWith({ auth: USER })
  const client = clientWith({ HOME: '/nonexistent', XDG_RUNTIME_DIR: '/gone' })
  await expect(
    client.repository({ registry: host, repository: 'x' }).resolve('v1', recordingJob()),
  ).rejects.toMatchObject({
    code: 'ERR_OSSB_UNAUTHORIZED',
    hint: `It may be private, or not exist. No credentials for ${host} were found in the file /nonexistent/.docker/config.json, the file /gone/containers/auth.json, the file /nonexistent/.config/containers/auth.json, the file /nonexistent/.dockercfg. Log in with "ossb login ${host}".`,
  })
})

test('trouble with a helper is told when a registry asks for credentials, and not before', async () => {
  const [open, closed] = [await registryWith({}), await registryWith({ auth: USER })]
  const client = clientWith({ DOCKER_AUTH_CONFIG: JSON.stringify({ credsStore: 'gone' }) })
  await roundTrip(client, open.host)
  await expect(roundTrip(client, closed.host)).rejects.toMatchObject({
    message: expect.stringMatching(
      /^Cannot get credentials for 127\.0\.0\.1:\d+ from the credential helper docker-credential-gone /,
    ),
  })
})

test('an identity token is traded for access tokens', async () => {
  const { host, tokenRequests } = await registryWith({ auth: USER, token: true })
  const auths = { [host]: { identitytoken: USER.password } }
  await roundTrip(clientWith({ DOCKER_AUTH_CONFIG: JSON.stringify({ auths }) }), host)
  expect(tokenRequests).toEqual(['POST alice repository:a/b:pull', 'POST alice repository:a/b:pull,push'])
})

test('tokens that live a second are renewed', async () => {
  const { host, tokenRequests } = await registryWith({ auth: USER, token: true, tokenLifetime: 1 })
  const client = clientWith(inline(host))
  await roundTrip(client, host)
  await delay(1200)
  await roundTrip(client, host)
  expect(tokenRequests.length).toBeGreaterThan(2)
})

test('blobs are read from storage on another origin, which gets no credentials', async () => {
  let storage = ''
  const authorizations: (string | undefined)[] = []
  const server = createServer((request, response) => {
    authorizations.push(request.headers.authorization)
    createReadStream(join(storage, new URL(request.url ?? '', 'http://localhost').pathname)).pipe(response)
  })
  const redirectBlobsTo = await serving(server)
  const registry = await registryWith({ auth: USER, redirectBlobsTo })
  storage = registry.storage
  await roundTrip(clientWith(inline(registry.host)), registry.host)
  expect(authorizations).toEqual([undefined, undefined])
})

test('a proxy is used for what is not on this machine, as its kind needs', async () => {
  const { host } = await registryWith({})
  const proxy = await startProxy({ to: host, auth: 'al:ice' })
  const uri = `http://al:ice@${proxy.host}`
  const client = clientWith({ HTTP_PROXY: uri, HTTPS_PROXY: uri }, ['registry.test:5000'])
  await roundTrip(client, 'registry.test:5000')
  expect(proxy.seen.slice(0, 2)).toEqual(['CONNECT registry.test:5000', 'GET registry.test:5000'])
  expect(proxy.seen.filter((line) => line.startsWith('PUT'))).toHaveLength(4)
})
