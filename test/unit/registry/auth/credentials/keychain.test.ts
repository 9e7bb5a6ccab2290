import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { defaultKeychain } from '../../../../../src/registry/auth/credentials/keychain.ts'

const root = mkdtempSync(join(tmpdir(), 'ossb-keychain-'))
const { signal } = new AbortController()
const basic = (user: string) => ({ auth: Buffer.from(`${user}:pass:word`).toString('base64') })

afterAll(() => rmSync(root, { recursive: true, force: true }))

beforeEach(() => rmSync(root, { recursive: true, force: true }))

function write(path: string, content: unknown, mode = 0o600): string {
  const full = join(root, path)
  mkdirSync(dirname(full), { recursive: true })
  writeFileSync(full, typeof content === 'string' ? content : JSON.stringify(content), { mode })
  return full
}

const find = (environment: Record<string, string>, registry = 'r.io', repository = 'team/app') =>
  defaultKeychain({ environment }, askNobody).find({ registry, repository }, signal)

const inline = (auths: unknown) => ({ DOCKER_AUTH_CONFIG: JSON.stringify({ auths }) })

const askNobody = () => Promise.reject(new Error('no cloud is asked here'))

describe('defaultKeychain() takes the first place that has something for the host:', () => {
  const everywhere = () => {
    write('docker/config.json', { auths: { 'r.io': basic('docker-config') } })
    write('home/.docker/config.json', { auths: { 'r.io': basic('home') } })
    write('run/containers/auth.json', { auths: { 'r.io': basic('run') } })
    write('home/.config/containers/auth.json', { auths: { 'r.io': basic('config') } })
    write('auth.json', { auths: { 'r.io': basic('auth-file') } })
  }
  const HOME = join(root, 'home')
  test.each([
    ['inline', { ...inline({ 'r.io': basic('inline') }), REGISTRY_AUTH_FILE: join(root, 'auth.json'), HOME }],
    ['auth-file', { REGISTRY_AUTH_FILE: join(root, 'auth.json'), DOCKER_CONFIG: join(root, 'docker'), HOME }],
    ['auth-file', { ...inline({ 'other.io': basic('x') }), REGISTRY_AUTH_FILE: join(root, 'auth.json') }],
    ['docker-config', { DOCKER_CONFIG: join(root, 'docker'), HOME, XDG_RUNTIME_DIR: join(root, 'run') }],
    ['home', { HOME, XDG_RUNTIME_DIR: join(root, 'run') }],
    ['run', { HOME: '/nonexistent', XDG_RUNTIME_DIR: join(root, 'run') }],
    ['config', { DOCKER_CONFIG: '/nonexistent', HOME }],
  ] as const)('%s', async (username, environment) => {
    everywhere()
    expect(await find(environment)).toMatchObject({ type: 'basic', username, password: 'pass:word' })
  })

  test('~/.dockercfg, which is entries alone', async () => {
    write('home/.dockercfg', { 'r.io': basic('legacy') })
    expect(await find({ HOME })).toMatchObject({ username: 'legacy' })
  })

  test('variables as kaniko reads them, of the host or a domain above it', async () => {
    const variables = {
      KANIKO_EXAMPLE_COM_USER: 'domain',
      KANIKO_EXAMPLE_COM_PASSWORD: 'p1',
      KANIKO_MY_R_EXAMPLE_COM_USER: 'host',
      KANIKO_MY_R_EXAMPLE_COM_PASSWORD: 'p2',
      KANIKO_IO_USER: 'no password',
    }
    expect(await find({ HOME, ...variables }, 'my-r.example.com:5000')).toEqual({
      type: 'basic',
      username: 'host',
      password: 'p2',
      source: 'the environment variables KANIKO_MY_R_EXAMPLE_COM_USER and KANIKO_MY_R_EXAMPLE_COM_PASSWORD',
    })
    expect(await find({ HOME, ...variables }, 'other.example.com')).toMatchObject({ username: 'domain' })
    everywhere()
    expect(await find({ HOME, ...variables })).toMatchObject({ username: 'home' })
  })

  test('a file that is named is the only one, and must be there', async () => {
    everywhere()
    const environment = { ...inline({ 'r.io': basic('inline') }), HOME }
    const request = { registry: 'r.io', repository: 'x' }
    const authFile = join(root, 'auth.json')
    expect(await defaultKeychain({ environment, authFile }, askNobody).find(request, signal)).toMatchObject({
      username: 'auth-file',
    })
    expect(
      await defaultKeychain({ environment, authFile }, askNobody).find(
        { ...request, registry: 'other.io' },
        signal,
      ),
    ).toBeUndefined()
    await expect(
      defaultKeychain({ environment, authFile: '/gone.json' }, askNobody).find(request, signal),
    ).rejects.toMatchObject({
      code: 'ERR_OSSB_USAGE',
      message: 'Cannot read credentials from the file /gone.json: ENOENT',
    })
  })

  test('nothing at all', async () => {
    expect(await find({ HOME: '/nonexistent' })).toBeUndefined()
  })
})

test.each([
  ['r.io', 'r.io', true],
  ['r.io:5000', 'r.io', false],
  ['r.io', 'r.io:5000', false],
  ['https://r.io', 'r.io', true],
  ['https://r.io/v2/', 'r.io', true],
  ['https://r.io/v1/', 'r.io', true],
  ['sub.r.io', 'r.io', false],
  ['io', 'r.io', false],
  ['r.io/team', 'r.io', true],
  ['r.io/team/app', 'r.io', true],
  ['r.io/te', 'r.io', false],
  ['r.io/other', 'r.io', false],
  ['https://index.docker.io/v1/', 'docker.io', true],
  ['https://index.docker.io/v1/', 'registry-1.docker.io', true],
  ['R.io', 'r.io', true],
  ['docker.io', 'docker.io', true],
  ['registry-1.docker.io', 'docker.io', true],
  ['https://index.docker.io/v1/', 'r.io', false],
])('an entry for %s is used for team/app on %s: %s', async (key, registry, used) => {
  const found = await find(inline({ [key]: basic('alice') }), registry)
  expect(found !== undefined).toBe(used)
})

test('the entry for the longest path wins, and an empty one is none', async () => {
  const auths = {
    'r.io': basic('host'),
    'r.io/team': basic('team'),
    'r.io/team/app': {},
    'r.io/team/app/deep': basic('deep'),
  }
  expect(await find(inline(auths))).toMatchObject({ username: 'team' })
  expect(await find(inline(auths), 'r.io', 'team/app/deep/er')).toMatchObject({ username: 'deep' })
  expect(await find(inline(auths), 'r.io', 'else')).toMatchObject({ username: 'host' })
})

test('an entry may hold a name and password, an identity token or an access token', async () => {
  const auths = {
    'a.io': { username: 'u', password: 'p' },
    'b.io': { ...basic('ignored'), identitytoken: 'refresh' },
    'c.io': { registrytoken: 'ready' },
  }
  const source = (key: string) => `the environment variable DOCKER_AUTH_CONFIG (entry "${key}")`
  expect(await find(inline(auths), 'a.io')).toEqual({
    type: 'basic',
    username: 'u',
    password: 'p',
    source: source('a.io'),
  })
  expect(await find(inline(auths), 'b.io')).toEqual({
    type: 'identity-token',
    token: 'refresh',
    source: source('b.io'),
  })
  expect(await find(inline(auths), 'c.io')).toEqual({
    type: 'access-token',
    token: 'ready',
    source: source('c.io'),
  })
})

describe('a file that makes no sense', () => {
  test.each([
    ['is not JSON', '{"auths": {"r.io": {"auth": "c2VjcmV0"', 'it is not JSON'],
    [
      'has a member of another type',
      '{"auths": {"r.io": {"auth": 7}}}',
      'the member "auths.r.io.auth" is not of the right type',
    ],
  ])('because it %s is named, and none of it is shown', async (_name, content, why) => {
    const path = write('docker/config.json', content)
    await expect(find({ DOCKER_CONFIG: join(root, 'docker') })).rejects.toMatchObject({
      code: 'ERR_OSSB_USAGE',
      message: `Cannot read credentials from the file ${path}: ${why}`,
    })
  })

  test('counts only for the host whose entry is wrong', async () => {
    const environment = inline({ 'r.io': { auth: 'bm90aGluZw==' }, 'ok.io': basic('alice') })
    expect(await find(environment, 'ok.io')).toMatchObject({ username: 'alice' })
    await expect(find(environment)).rejects.toMatchObject({
      message:
        'Cannot use the credentials in the environment variable DOCKER_AUTH_CONFIG (entry "r.io"): "auth" is not base64 of user:password',
    })
  })
})
