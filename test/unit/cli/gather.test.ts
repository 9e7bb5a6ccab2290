import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { describe, expect, test } from 'vitest'
import type { BundleOptions, GatherResult, LockOptions } from '../../../src/index.ts'
import { OssbError } from '../../../src/index.ts'
import { buildOptionsOf, fakeApi, runCli } from '../../support/cli-host.ts'

const RESULT: GatherResult = {
  inputs: [
    { kind: 'git', name: 'https://h/r.git#main', identity: '1'.repeat(40) },
    { kind: 'image', name: 'alpine', identity: `sha256:${'a'.repeat(64)}` },
  ],
  outputs: ['inputs in.tar'],
}

async function bundleOptionsOf(args: readonly string[]): Promise<Partial<BundleOptions>> {
  let seen: Partial<BundleOptions> | undefined
  const api = fakeApi({
    bundle({ standardInput: _input, standardOutput: _output, ...options }) {
      seen = options
      return Promise.resolve(RESULT)
    },
  })
  const run = await runCli(['bundle', ...args], api)
  if (seen === undefined) throw new Error(run.stderr)
  return seen
}

describe('the hosts of a build', () => {
  test.each<[string[], readonly string[] | undefined]>([
    [[], undefined],
    [['--offline'], []],
    [
      ['--allow-host', 'r.io', '--allow-host', '[::1]:5000'],
      ['r.io', '[::1]:5000'],
    ],
    [['--offline', '--allow-host', '10.0.0.1:5000'], ['10.0.0.1:5000']],
  ])('of %j', async (args, hosts) => {
    expect((await buildOptionsOf([...args, '.'])).allowedHosts).toEqual(hosts)
    expect((await bundleOptionsOf([...args, 'in.tar', '.'])).allowedHosts).toEqual(hosts)
  })

  test.each([
    ['https://r.io', 'Cannot use "https://r.io" for --allow-host: it is a URL'],
    ['r.io/path', 'it is not a host with or without a port'],
    ['r.io:x', 'it is not a host with or without a port'],
    ['*.r.io', 'it is not a host with or without a port'],
  ])('--allow-host %s is refused', async (host, message) => {
    const run = await runCli(['build', '--allow-host', host, '.'])
    expect([run.exitCode, run.stderr]).toEqual([2, expect.stringContaining(message)])
  })
})

describe('ossb build with inputs and a lock', () => {
  test('hands both on', async () => {
    expect(await buildOptionsOf(['--inputs', 'i.tar', '--locked', '--lock', 'l', '.'])).toMatchObject({
      inputs: 'i.tar',
      locked: true,
      lockFile: 'l',
    })
    expect(await buildOptionsOf(['.'])).not.toHaveProperty('locked')
  })

  test('a lock file is for --locked alone', async () => {
    const run = await runCli(['build', '--lock', 'l', '.'])
    expect([run.exitCode, run.stderr]).toEqual([
      2,
      expect.stringContaining('Cannot use --lock l without --locked'),
    ])
  })
})

describe('ossb bundle', () => {
  test('takes the flags of a build that say what it needs', async () => {
    const args = ['-f', 'D', '--target', 't', '--build-arg', 'A=1', '--build-context', 'c=.', '--lock', 'l']
    const more = [
      '--platform',
      'linux/amd64,linux/arm64',
      '--platform',
      'linux/amd64',
      '--secret',
      'id=S,src=f',
    ]
    expect(await bundleOptionsOf([...args, ...more, 'in.tar', 'dir'])).toEqual({
      dest: 'in.tar',
      context: 'dir',
      dockerfile: 'D',
      target: 't',
      buildArgs: { A: '1' },
      buildContexts: { c: '.' },
      platforms: ['linux/amd64', 'linux/arm64'],
      secrets: [{ id: 'S', file: 'f' }],
      lockFile: 'l',
      frontend: 'dockerfile',
      cacheDir: '/home/me/.cache/ossb',
      insecureRegistries: [],
      environment: { HOME: '/home/me' },
    })
  })

  test('says what it gathered, on standard error', async () => {
    const run = await runCli(['bundle', 'in.tar'], fakeApi({ bundle: () => Promise.resolve(RESULT) }))
    expect(run).toMatchInlineSnapshot(`
      {
        "exitCode": 0,
        "stderr": "
        git     https://h/r.git#main  1111111111111111111111111111111111111111
        image   alpine  sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
        output  inputs in.tar
      ",
        "stdout": "",
      }
    `)
  })

  test('needs a file', async () => {
    const run = await runCli(['bundle'])
    expect([run.exitCode, run.stderr]).toEqual([2, expect.stringContaining('FILE is missing')])
  })

  test('a failure has its status and its hint', async () => {
    const error = new OssbError('ERR_OSSB_NETWORK', 'Cannot download it', { hint: 'Try.' })
    const run = await runCli(['bundle', '-q', 'in.tar'], fakeApi({ bundle: () => Promise.reject(error) }))
    expect(run).toEqual({ exitCode: 1, stdout: '', stderr: 'ERROR: Cannot download it\nhint: Try.\n' })
  })
})

describe('ossb lock', () => {
  const lockFileOf = async (args: readonly string[]): Promise<string | undefined> => {
    let seen: LockOptions | undefined
    const lock = (options: LockOptions) => {
      seen = options
      return Promise.resolve(RESULT)
    }
    const run = await runCli(['lock', ...args], fakeApi({ lock }))
    if (run.exitCode !== 0) throw new Error(run.stderr)
    return seen?.lockFile
  }

  test('writes ossb.lock into the context, or the file that is named', async () => {
    const directory = mkdtempSync(`${tmpdir()}/ossb-lock-`)
    expect(await lockFileOf([directory])).toBe(`${directory}/ossb.lock`)
    expect(await lockFileOf(['--lock', 'other', directory])).toBe('other')
    rmSync(directory, { recursive: true })
  })

  test('needs a name where the context is no directory', async () => {
    await expect(lockFileOf(['https://h/r.git'])).rejects.toThrow(
      'Cannot write a lock file into "https://h/r.git"',
    )
    expect(await lockFileOf(['--lock', 'l', 'https://h/r.git'])).toBe('l')
  })
})
