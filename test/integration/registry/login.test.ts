import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { login, logout } from '../../../src/registry/index.ts'
import { type RegistryTestOptions, startRegistry } from '../../support/registry.ts'
import { recordingJob } from '../../support/registry-image.ts'

const USER = { user: 'alice', password: 'open:sesame' }
const ENTRY = { auth: Buffer.from('alice:open:sesame').toString('base64') }
const endings: (() => PromiseLike<unknown>)[] = []
let home = ''

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'ossb-login-'))
})

afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end()
  rmSync(home, { recursive: true, force: true })
})

async function hostWith(options: RegistryTestOptions): Promise<string> {
  const registry = await startRegistry(options)
  endings.push(() => registry.stop())
  return registry.host
}

const environment = () => ({ HOME: home, PATH: `${home}:/usr/bin:/bin` })
const configPath = () => join(home, '.docker/config.json')
const readConfig = (): unknown => JSON.parse(readFileSync(configPath(), 'utf8'))

function writeConfig(content: unknown): void {
  mkdirSync(join(home, '.docker'), { recursive: true })
  writeFileSync(configPath(), typeof content === 'string' ? content : JSON.stringify(content), {
    mode: 0o644,
  })
}

/** A helper that keeps its one secret in a file. */
function writeHelper(name: string): string {
  const kept = join(home, `${name}.kept`)
  const script = [
    '#!/bin/sh',
    `case $1 in`,
    `store) cat > ${kept} ;;`,
    `get) test -e ${kept} && cat ${kept} || { echo "credentials not found in native keychain"; exit 1; } ;;`,
    `erase) test -e ${kept} && rm ${kept} || { echo "credentials not found in native keychain"; exit 1; } ;;`,
    `list) test -e ${kept} && echo '{"https://listed.io":"alice"}' || echo '{}' ;;`,
    'esac',
  ]
  writeFileSync(join(home, `docker-credential-${name}`), `${script.join('\n')}\n`, { mode: 0o755 })
  return kept
}

const logIn = (registry: string, more: object = {}) =>
  login(
    {
      registry,
      username: USER.user,
      password: USER.password,
      insecureRegistries: [],
      environment: environment(),
      ...more,
    },
    recordingJob(),
  )

const logOut = (more: object = {}) => logout({ environment: environment(), ...more }, recordingJob())

test.each([{ token: false }, { token: true }])(
  'a password that is right is kept where Docker keeps it, for the user alone (%j)',
  async ({ token }) => {
    const host = await hostWith({ auth: USER, token })
    expect(await logIn(host)).toEqual({ registry: host, storedIn: `the file ${configPath()}` })
    expect(readConfig()).toEqual({ auths: { [host]: ENTRY } })
    expect(statSync(configPath()).mode & 0o777).toBe(0o600)
    expect(statSync(join(home, '.docker')).mode & 0o777).toBe(0o700)
    expect(await logOut({ registry: host })).toEqual({ removed: [host], file: configPath() })
    expect(readConfig()).toEqual({ auths: {} })
  },
)

test.each([{ token: false }, { token: true }])(
  'a wrong password is refused at once, is not shown, and changes nothing (%j)',
  async ({ token }) => {
    const host = await hostWith({ auth: USER, token })
    const error: unknown = await logIn(host, { password: 'wrongpassword' }).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({
      code: 'ERR_OSSB_UNAUTHORIZED',
      message: expect.stringMatching(/^Cannot log in to "127.0.0.1:\d+": (login refused: )?401 UNAUTHORIZED/),
      hint: 'Check the user name and the password. Many registries want an access token in place of the password.',
    })
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('wrongpassword')
    expect(() => readConfig()).toThrow('ENOENT')
  },
)

test('a registry that nobody answers for is an error of the network', async () => {
  await expect(logIn('127.0.0.1:1')).rejects.toMatchObject({
    code: 'ERR_OSSB_NETWORK',
    message: expect.stringMatching(/^Cannot log in to "127.0.0.1:1": .*ECONNREFUSED/),
  })
})

test('all else in the file stays, entries under other names of the registry go', async () => {
  const host = await hostWith({ auth: USER })
  const others = { HttpHeaders: { 'X-Y': 'z' }, proxies: { default: {} }, psFormat: 'table' }
  writeConfig({
    ...others,
    auths: { [`https://${host}/v2/`]: { auth: 'b2xkOm9sZA==' }, [`${host}/team`]: ENTRY, 'other.io': ENTRY },
  })
  await logIn(host)
  expect(readConfig()).toEqual({
    ...others,
    auths: { [`${host}/team`]: ENTRY, 'other.io': ENTRY, [host]: ENTRY },
  })
  expect(statSync(configPath()).mode & 0o777).toBe(0o600)
})

test('a link to the file stays a link', async () => {
  const host = await hostWith({ auth: USER })
  const real = join(home, 'real.json')
  writeFileSync(real, '{}')
  mkdirSync(join(home, '.docker'))
  symlinkSync(real, configPath())
  await logIn(host)
  expect(lstatSync(configPath()).isSymbolicLink()).toBe(true)
  expect(JSON.parse(readFileSync(real, 'utf8'))).toEqual({ auths: { [host]: ENTRY } })
})

test('a file that makes no sense is left alone, and not shown', async () => {
  const host = await hostWith({ auth: USER })
  writeConfig('{"auths": {"r.io": {"auth": "c2VjcmV0"')
  await expect(logIn(host)).rejects.toMatchObject({
    message: `Cannot read credentials from the file ${configPath()}: it is not JSON`,
  })
  expect(readFileSync(configPath(), 'utf8')).toContain('c2VjcmV0"')
})

test('--authfile, REGISTRY_AUTH_FILE and DOCKER_CONFIG name the file', async () => {
  const host = await hostWith({ auth: USER })
  const [flag, variable] = [join(home, 'flag/auth.json'), join(home, 'variable.json')]
  const variables = { ...environment(), REGISTRY_AUTH_FILE: variable, DOCKER_CONFIG: join(home, 'docker') }
  expect(await logIn(host, { authFile: flag, environment: variables })).toMatchObject({
    storedIn: `the file ${flag}`,
  })
  expect(await logIn(host, { environment: variables })).toMatchObject({ storedIn: `the file ${variable}` })
  const { REGISTRY_AUTH_FILE: _file, ...docker } = variables
  expect(await logIn(host, { environment: docker })).toMatchObject({
    storedIn: `the file ${join(home, 'docker/config.json')}`,
  })
  expect(await logOut({ registry: host, authFile: flag })).toEqual({ removed: [host], file: flag })
})

test('a login says when another place comes before it, a logout when one is left', async () => {
  const host = await hostWith({ auth: USER })
  const inline = JSON.stringify({ auths: { [host]: { username: 'bob', password: 'x' } } })
  const variables = { ...environment(), DOCKER_AUTH_CONFIG: inline }
  const source = `the environment variable DOCKER_AUTH_CONFIG (entry "${host}")`
  expect(await logIn(host, { environment: variables })).toMatchObject({ shadowedBy: source })
  expect(await logOut({ registry: host, environment: variables })).toMatchObject({ remaining: source })
})

test.each([
  ['credsStore', (name: string) => ({ credsStore: name })],
  ['credHelpers', (name: string, host: string) => ({ credHelpers: { [host]: name }, credsStore: 'absent' })],
])('a helper of %s keeps the password, and the file does not', async (_name, members) => {
  const host = await hostWith({ auth: USER })
  const kept = writeHelper('keeper')
  const config = members('keeper', host)
  writeConfig(config)
  expect(await logIn(host)).toEqual({
    registry: host,
    storedIn: `the credential helper keeper and the file ${configPath()}`,
  })
  expect(JSON.parse(readFileSync(kept, 'utf8'))).toEqual({
    ServerURL: host,
    Username: 'alice',
    Secret: USER.password,
  })
  expect(readConfig()).toEqual({ ...config, auths: { [host]: {} } })
  expect(await logOut({ registry: host })).toMatchObject({ removed: [host] })
  expect(() => statSync(kept)).toThrow('ENOENT')
  expect(await logOut({ registry: host })).toMatchObject({ removed: [] })
})

test('a helper that cannot keep it is an error', async () => {
  const host = await hostWith({ auth: USER })
  writeConfig({ credsStore: 'gone' })
  await expect(logIn(host)).rejects.toMatchObject({
    message: `Cannot store credentials for ${host} with the credential helper docker-credential-gone that the file ${configPath()} names: it could not be started`,
  })
  expect(readConfig()).toEqual({ credsStore: 'gone' })
})

test('a logout of all empties the file and what its helpers know', async () => {
  const kept = writeHelper('keeper')
  writeFileSync(kept, '{}')
  writeConfig({
    auths: { 'a.io': ENTRY, 'https://index.docker.io/v1/': ENTRY },
    credsStore: 'keeper',
    psFormat: 'x',
  })
  expect(await logOut()).toMatchObject({ removed: ['a.io', 'docker.io'] })
  expect(readConfig()).toEqual({ auths: {}, credsStore: 'keeper', psFormat: 'x' })
  expect(() => statSync(kept)).toThrow('ENOENT')
})

test('insecure registries and certificates hold for a login, too', async () => {
  const registry = await startRegistry({ auth: USER, tls: true })
  endings.push(() => registry.stop())
  const { host, caFile = '' } = registry
  await expect(logIn(host)).rejects.toMatchObject({ code: 'ERR_OSSB_NETWORK' })
  expect(await logIn(host, { insecureRegistries: [host] })).toMatchObject({ registry: host })
  const certificates = [{ registry: host, authorities: caFile }]
  expect(await logIn(host, { certificates })).toMatchObject({ registry: host })
  const registriesConf = join(home, 'registries.conf')
  writeFileSync(registriesConf, `[[registry]]\nlocation = "${host}"\ninsecure = true\n`)
  expect(await logIn(host, { registriesConf })).toMatchObject({ registry: host })
})
