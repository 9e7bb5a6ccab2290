import { describe, expect, test } from 'vitest'
import { buildOptionsOf, runCli } from '../../support/cli-host.ts'

const mapsOf = async (args: readonly string[], environment: Record<string, string> = {}) =>
  (await buildOptionsOf([...args, '.'], environment)).registryMaps

const map = (registry: string, host: string, more: object = {}) => ({
  registry,
  mirrors: [{ host, ...more }],
  warnUnused: true,
})

describe('--registry-map', () => {
  test.each([
    ['r.io=m.io', [map('r.io', 'm.io')]],
    ['r.io=m.io:5000/a/b/', [map('r.io', 'm.io:5000', { prefix: 'a/b' })]],
    [
      'index.docker.io=127.0.0.1:5101/docker.io',
      [map('index.docker.io', '127.0.0.1:5101', { prefix: 'docker.io' })],
    ],
    ['r.io=http://m.io:80/p', [map('r.io', 'm.io:80', { prefix: 'p', insecure: true })]],
    ['r.io=https://[::1]:5000', [map('r.io', '[::1]:5000')]],
    ['a.io=b.io/x;c.io=d.io', [map('a.io', 'b.io', { prefix: 'x' }), map('c.io', 'd.io')]],
    ['a.io=b.io, c.io/y', [map('a.io', 'b.io'), map('a.io', 'c.io', { prefix: 'y' })]],
  ])('%s', async (text, expected) => {
    expect(await mapsOf(['--registry-map', text])).toEqual(expected)
  })

  test('a variable stands in for it, and need not be of use', async () => {
    const OSSB_REGISTRY_MAP = 'a.io=b.io'
    expect(await mapsOf([], { OSSB_REGISTRY_MAP })).toEqual([
      { registry: 'a.io', mirrors: [{ host: 'b.io' }] },
    ])
    expect(await mapsOf(['--registry-map', 'r.io=m.io'], { OSSB_REGISTRY_MAP })).toEqual([
      map('r.io', 'm.io'),
    ])
  })

  test.each([
    ['m.io', '"m.io" does not say for which registry'],
    ['r.io/team=m.io', '"r.io/team" is not a registry: HOST[:PORT]'],
    ['r.io=', '"" is not a registry: HOST[:PORT]'],
    ['r.io=ftp://m.io', '"ftp:" is not a registry: HOST[:PORT]'],
    ['r.io=m.io/Team', `"Team" can't be part of the name of a repository`],
    ['r.io=m.io//x', `"/x" can't be part of the name of a repository`],
    ['r.io=user@m.io', '"user@m.io" is not a registry: HOST[:PORT]'],
  ])('%s is refused', async (text, why) => {
    expect(await runCli(['build', '--registry-map', text, '.'])).toEqual({
      exitCode: 2,
      stdout: '',
      stderr: `ERROR: Cannot use "${text}" for --registry-map: ${why}\nhint: Write --registry-map FROM=HOST[:PORT][/PREFIX].\n`,
    })
  })
})

test('--registry-mirror is a map of Docker Hub, after those of --registry-map', async () => {
  expect(
    await mapsOf([
      '--registry-mirror',
      'm.io/hub',
      '--registry-mirror',
      'n.io',
      '--registry-map',
      'docker.io=o.io',
    ]),
  ).toEqual([
    map('docker.io', 'o.io'),
    { registry: 'docker.io', mirrors: [{ host: 'm.io', prefix: 'hub' }] },
    { registry: 'docker.io', mirrors: [{ host: 'n.io' }] },
  ])
  expect(await mapsOf([], { OSSB_REGISTRY_MIRROR: 'm.io,n.io' })).toHaveLength(2)
  expect((await runCli(['build', '--registry-mirror', 'a b', '.'])).stderr).toContain(
    'Cannot use "a b" for --registry-mirror: "a b" is not a registry',
  )
})

test('the other flags of how registries are reached', async () => {
  const options = await buildOptionsOf([
    '--skip-default-registry-fallback',
    '--registries-conf',
    'r.conf',
    '--authfile',
    'auth.json',
    '--registry-certificate',
    'r.io:5000=ca.pem',
    '--registry-client-cert',
    'r.io=c.pem,k.pem',
    '--cert-dir',
    'certs',
    '--insecure-registry',
    'i.io',
    '.',
  ])
  expect(options).toMatchObject({
    skipDefaultRegistryFallback: true,
    registriesConf: 'r.conf',
    authFile: 'auth.json',
    certificates: [
      { registry: 'r.io:5000', authorities: 'ca.pem' },
      { registry: 'r.io', client: { certificate: 'c.pem', key: 'k.pem' } },
    ],
    certDirs: ['certs'],
    insecureRegistries: ['i.io'],
  })
})

test.each([
  [['--registry-certificate', 'ca.pem'], 'it does not name a registry and a file'],
  [['--registry-certificate', 'https://r.io=ca.pem'], 'it is a URL'],
  [['--registry-client-cert', 'r.io=c.pem'], 'it does not name two files'],
])('%j is refused', async (args, why) => {
  const { exitCode, stderr } = await runCli(['build', ...args, '.'])
  expect(exitCode).toBe(2)
  expect(stderr).toContain(`for ${args[0]}: ${why}`)
})
