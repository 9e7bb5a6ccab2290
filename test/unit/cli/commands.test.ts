import { PassThrough } from 'node:stream'
import { describe, expect, test } from 'vitest'
import type { CacheInfo, DoctorReport } from '../../../src/index.ts'
import { fakeApi, runCli } from '../../support/cli-host.ts'

const INFO: CacheInfo = {
  directory: '/home/me/.cache/ossb',
  totalBytes: 123_456_789,
  blobs: { count: 12, bytes: 100_000_000 },
  snapshots: { count: 3, bytes: 23_456_789 },
  steps: { count: 40, exec: 5, file: 15 },
  mounts: { count: 1, bytes: 2_000 },
  found: { hits: { exec: 30, file: 70 }, misses: { exec: 6, file: 16 } },
  downloads: { count: 2, bytes: 1_000_000 },
  images: [{ name: 'docker.io/library/app:1', digest: `sha256:${'a'.repeat(64)}`, bytes: 4_000 }],
}

const REPORT: DoctorReport = {
  facts: [
    { name: 'user namespaces', ok: true, detail: 'can be made' },
    {
      name: 'id range',
      ok: false,
      detail: '/etc/subuid has no line for "me"',
      remedy: 'sudo usermod --add-subuids 100000-165535 me',
    },
  ],
  executors: [
    { name: 'rootless', usable: false, reason: 'there is no id range' },
    { name: 'local', usable: true },
  ],
  rungs: [
    { number: 1, name: 'root, namespaces', usable: true, cannotPrevent: ['use of the network'] },
    {
      number: 2,
      name: 'user, namespaces',
      usable: false,
      reason: 'this is root',
      remedy: 'Be a user',
      cannotPrevent: [],
    },
  ],
  chosen: 'local',
  rung: 1,
  because: 'it runs as root here.',
  better: ['Add an id range for rootless.'],
}

describe('ossb cache verify', () => {
  test.each([
    [{ damaged: [], missing: [] }, 0, 'Read 3 blobs (12.0kB): all is well\n'],
    [
      { damaged: [`sha256:${'b'.repeat(64)}` as const], missing: ['app:1'] },
      1,
      `Read 3 blobs (12.0kB): something is wrong\n  damaged, and removed: sha256:${'b'.repeat(64)}\n  the image is not there: app:1\n`,
    ],
  ])('tells what is wrong, and answers 1 then', async (found, status, text) => {
    const api = fakeApi({
      cacheVerify: () => Promise.resolve({ blobs: { count: 3, bytes: 12_000 }, ...found }),
    })
    expect(await runCli(['cache', 'verify'], api)).toMatchObject({ exitCode: status, stdout: text })
  })
})

describe('what ossb cache prune is to remove', () => {
  const prune = async (...args: string[]) => {
    const asked: unknown[] = []
    const cachePrune = (options: unknown) => {
      asked.push(options)
      return Promise.resolve({ removedBytes: 1, removedBlobs: 1, removedSnapshots: 1, removedSteps: 1 })
    }
    const { stderr } = await runCli(
      ['cache', 'prune', '--force', '--cache-dir', '/c', ...args],
      fakeApi({ cachePrune }),
    )
    return asked[0] ?? stderr
  }

  test('takes an age, a size and kinds', async () => {
    expect(await prune()).toEqual({ cacheDir: '/c', all: false })
    const some = [
      '--older-than',
      '7d',
      '--keep-storage',
      '1g',
      '--filter',
      'type=steps',
      '--filter',
      'until=1h',
    ]
    expect(await prune(...some)).toEqual({
      cacheDir: '/c',
      all: false,
      olderThanMs: 604_800_000,
      keepBytes: 1024 ** 3,
      parts: ['steps'],
    })
  })

  test.each([
    [['--older-than', 'long'], 'Cannot use --older-than long: it is not a time'],
    [['--filter', 'type=all'], 'Cannot use --filter type=all: there is no such filter'],
    [['--all', '--keep-storage', '1g'], 'Cannot use --all with what chooses a part'],
  ])('%j is an error', async (args, message) => {
    expect(await prune(...args)).toContain(message)
  })
})

describe('ossb cache info', () => {
  const api = fakeApi({ cacheInfo: () => Promise.resolve(INFO) })

  test('shows counts and sizes', async () => {
    expect((await runCli(['cache', 'info'], api)).stdout).toMatchInlineSnapshot(`
      "Cache /home/me/.cache/ossb: 123MB
        blobs         12  100MB
        snapshots      3  23.5MB
        steps         40  of 5 RUN and 15 other steps
        downloads      2  1.00MB
        mounts         1  2.00kB
      Steps found: 30 RUN and 70 others; carried out: 6 and 16
      Images kept by name:
        docker.io/library/app:1  sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa  4.00kB
      "
    `)
  })

  test('--format json gives the numbers', async () => {
    expect(JSON.parse((await runCli(['cache', 'info', '--format', 'json'], api)).stdout)).toEqual(INFO)
  })
})

describe('ossb cache prune', () => {
  const pruned = { removedBytes: 1_234, removedBlobs: 2, removedSnapshots: 1, removedSteps: 5 }
  const api = fakeApi({ cachePrune: () => Promise.resolve(pruned) })

  test('--force says what was removed', async () => {
    expect((await runCli(['cache', 'prune', '--force'], api)).stdout).toBe(
      'Removed 2 blobs, 1 root file system, 5 step results: 1.23kB\n',
    )
  })

  test.each([
    ['y', 'Removed 2 blobs'],
    ['', 'Nothing was removed.'],
  ])('asks on a terminal, and takes %j for an answer', async (answer, said) => {
    const stderr = Object.assign(new PassThrough(), { isTTY: true })
    const ask = (question: string) => {
      expect(question).toBe('Remove what no image kept by name needs, from /home/me/.cache/ossb? [y/N] ')
      return Promise.resolve(answer)
    }
    const stdin = Object.assign(new PassThrough(), { isTTY: true })
    expect((await runCli(['cache', 'prune'], api, { stdin, stderr, ask })).stdout).toContain(said)
  })

  test('does not guess where nobody can be asked', async () => {
    expect(await runCli(['cache', 'prune'], api)).toEqual({
      exitCode: 2,
      stdout: '',
      stderr:
        'ERROR: Cannot ask whether to prune the cache: there is no terminal\nhint: Add --force to remove without asking.\n',
    })
  })

  test('does not ask again inside the namespaces', async () => {
    let command: readonly string[] = []
    const entering = fakeApi({
      enterNamespace(options) {
        command = options.command
        return Promise.resolve(0)
      },
    })
    await runCli(['cache', 'prune', '--all', '--force'], entering)
    expect(command).toEqual(['node', 'ossb.js', 'cache', 'prune', '--all', '--force'])
  })
})

describe('ossb doctor', () => {
  test('shows facts, executors and the choice', async () => {
    const run = await runCli(['doctor'], fakeApi({ doctor: () => Promise.resolve(REPORT) }))
    expect(run).toMatchInlineSnapshot(`
      {
        "exitCode": 0,
        "stderr": "",
        "stdout": "This environment
        yes  user namespaces  can be made
        no   id range         /etc/subuid has no line for "me"
                              -> sudo usermod --add-subuids 100000-165535 me

      Executors
        no   rootless  cannot be used: there is no id range
        yes  local     can be used

      Rungs of isolation, the strongest first
        yes  1 root, namespaces  can be used
        no   2 user, namespaces  cannot be used: this is root
                                 -> Be a user

      Builds use "local": it runs as root here.

      What rung 1 does not keep a RUN from
        - use of the network

      What would be better
        - Add an id range for rootless.
      ",
      }
    `)
  })

  test('fails where nothing can be used', async () => {
    const { chosen: _chosen, ...rest } = REPORT
    const report = { ...rest, because: 'nothing works.' }
    const run = await runCli(['doctor'], fakeApi({ doctor: () => Promise.resolve(report) }))
    expect(run.exitCode).toBe(1)
    expect(run.stdout).toContain('No executor can be used: nothing works.')
  })

  test('--format json gives the report', async () => {
    const run = await runCli(
      ['doctor', '--format', 'json'],
      fakeApi({ doctor: () => Promise.resolve(REPORT) }),
    )
    expect(JSON.parse(run.stdout)).toEqual(REPORT)
  })
})
