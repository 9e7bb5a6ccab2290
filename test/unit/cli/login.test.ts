import { PassThrough, Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import type { Host } from '../../../src/cli/host.ts'
import type { LoginOptions, LoginResult, LogoutOptions, LogoutResult } from '../../../src/index.ts'
import { fakeApi, runCli } from '../../support/cli-host.ts'

const STORED: LoginResult = { registry: 'r.io', storedIn: 'the file /home/me/.docker/config.json' }
const WARNING =
  'WARN: Other users of this machine can see the password of --password, and the shell keeps it; use --password-stdin\n'

async function login(args: readonly string[], host: Partial<Host> = {}, result = STORED) {
  const seen: LoginOptions[] = []
  const api = fakeApi({
    login(options) {
      seen.push(options)
      return Promise.resolve(result)
    },
  })
  return { ...(await runCli(['login', ...args], api, host)), seen }
}

const terminal = (): Pick<Host, 'stdin' | 'stderr'> => ({
  stdin: Object.assign(new PassThrough(), { isTTY: true }),
  stderr: Object.assign(new PassThrough(), { isTTY: true }),
})

describe('ossb login', () => {
  test('asks at the terminal, and shows no password', async () => {
    const asked: string[] = []
    const answering = (answer: string) => (question: string) => {
      asked.push(question)
      return Promise.resolve(answer)
    }
    const { exitCode, stdout, seen } = await login(['r.io:5000'], {
      ...terminal(),
      ask: answering(' alice '),
      askSecret: answering('s3cret'),
    })
    expect(asked).toEqual(['User name for r.io:5000: ', 'Password for alice at r.io:5000: '])
    expect(seen).toMatchObject([{ registry: 'r.io:5000', username: 'alice', password: 's3cret' }])
    expect({ exitCode, stdout }).toEqual({
      exitCode: 0,
      stdout:
        'Logged in to r.io:5000 as alice. The password is kept in the file /home/me/.docker/config.json.\n',
    })
  })

  test.each([
    ['s3cret\n', 's3cret'],
    ['s3cret\r\n', 's3cret'],
    [' two words\n\n', ' two words\n'],
  ])('--password-stdin %j', async (text, password) => {
    const stdin = Readable.from([Buffer.from(text)])
    const { seen, stderr } = await login(['-u', 'ci', '--password-stdin'], { stdin })
    expect(seen).toMatchObject([{ registry: 'docker.io', username: 'ci', password }])
    expect(stderr).toBe('')
  })

  test('--password works, with a warning', async () => {
    const { seen, stderr } = await login(['-u', 'ci', '-p', 's3cret', 'r.io'])
    expect(seen).toMatchObject([{ username: 'ci', password: 's3cret' }])
    expect(stderr).toBe(WARNING)
  })

  test('says when another place comes first', async () => {
    const stdin = Readable.from([Buffer.from('s3cret')])
    const result = { ...STORED, shadowedBy: 'the environment variable DOCKER_AUTH_CONFIG (entry "r.io")' }
    expect((await login(['-u', 'ci', '--password-stdin', 'r.io'], { stdin }, result)).stderr).toBe(
      'WARN: the environment variable DOCKER_AUTH_CONFIG (entry "r.io") comes before it, and has other credentials for r.io\n',
    )
  })

  test.each(['https://r.io', 'http://r.io/v2/', 'r.io/', 'https://r.io/v1/'])(
    'takes %s for r.io',
    async (word) => {
      const stdin = Readable.from([Buffer.from('x')])
      expect((await login(['-u', 'ci', '--password-stdin', word], { stdin })).seen).toMatchObject([
        { registry: 'r.io' },
      ])
    },
  )

  test('hands on how the registry is reached', async () => {
    const stdin = Readable.from([Buffer.from('x')])
    const { seen } = await login(
      [
        '-u',
        'ci',
        '--password-stdin',
        '--insecure-registry',
        'r.io',
        '--authfile',
        'a.json',
        '--registry-certificate',
        'r.io=ca.pem',
        'r.io',
      ],
      { stdin },
    )
    expect(seen).toMatchObject([
      {
        insecureRegistries: ['r.io'],
        authFile: 'a.json',
        certificates: [{ registry: 'r.io', authorities: 'ca.pem' }],
      },
    ])
  })

  test.each([
    [[], 'Cannot ask for the user name: there is no terminal', 'Give --username NAME and --password-stdin.'],
    [
      ['-u', 'ci'],
      'Cannot ask for the password: there is no terminal',
      'Give --username NAME and --password-stdin.',
    ],
    [['--password-stdin'], 'Cannot use --password-stdin without --username', 'Write --username NAME.'],
    [['-u', 'ci', '--password-stdin'], 'Cannot log in: the password is empty (standard input)', 'Try again.'],
    [
      ['-u', 'a', '-p', 'b', '--password-stdin'],
      'Cannot use --password with --password-stdin',
      'Give one of them.',
    ],
    [['r.io/team'], 'Cannot log in to "r.io/team": it is not a registry', 'Write "ossb login HOST[:PORT]".'],
    [['a', 'b'], 'Cannot use "b": "login" takes one REGISTRY', 'See "ossb login --help".'],
  ])('%j is refused', async (args, message, hint) => {
    const { exitCode, stderr, seen } = await login(args)
    expect(stderr).toBe(`ERROR: ${message}\nhint: ${hint}\n`)
    expect({ exitCode, seen }).toEqual({ exitCode: 2, seen: [] })
  })
})

describe('ossb logout', () => {
  async function logout(args: readonly string[], result: LogoutResult) {
    const seen: LogoutOptions[] = []
    const api = fakeApi({
      logout(options) {
        seen.push(options)
        return Promise.resolve(result)
      },
    })
    return { ...(await runCli(['logout', ...args], api)), seen }
  }
  const file = '/home/me/.docker/config.json'
  const environment = { HOME: '/home/me' }

  test('says what was removed', async () => {
    expect(await logout(['r.io'], { removed: ['r.io'], file })).toEqual({
      exitCode: 0,
      stdout: 'Logged out of r.io.\n',
      stderr: '',
      seen: [{ environment, registry: 'r.io' }],
    })
    expect(await logout(['--all', '--authfile', 'a'], { removed: ['a.io', 'b.io'], file })).toEqual({
      exitCode: 0,
      stdout: 'Logged out of a.io.\nLogged out of b.io.\n',
      stderr: '',
      seen: [{ environment, authFile: 'a' }],
    })
  })

  test('says when there was nothing, and where something is still', async () => {
    const remaining = 'the file /run/user/1/containers/auth.json (entry "docker.io")'
    expect(await logout([], { removed: [], file, remaining })).toMatchObject({
      exitCode: 0,
      stdout: `There were no credentials for docker.io in ${file}.\n`,
      stderr: `WARN: There still are credentials for docker.io: they come from ${remaining}\n`,
    })
  })

  test('one registry or all', async () => {
    expect((await logout(['--all', 'r.io'], { removed: [], file })).stderr).toContain(
      'Cannot log out of "r.io" and of all registries',
    )
  })
})
