import { describe, expect, test } from 'vitest'
import { buildOptionsOf, runCli } from '../../support/cli-host.ts'

describe('ossb build', () => {
  test.each([
    ['a secret from a file', ['--secret', 'id=a,src=f'], { secrets: [{ id: 'a', file: 'f' }] }],
    [
      'a secret by its long name',
      ['--secret', 'ID=a,source=f,type=file'],
      { secrets: [{ id: 'a', file: 'f' }] },
    ],
    ['a secret from a variable', ['--secret', 'id=a,env=V'], { secrets: [{ id: 'a', env: 'V' }] }],
    ['a variable before a file', ['--secret', 'id=a,src=f,env=V'], { secrets: [{ id: 'a', env: 'V' }] }],
    [
      'a source that is a variable',
      ['--secret', 'type=env,id=a,src=V'],
      { secrets: [{ id: 'a', env: 'V' }] },
    ],
    ['a variable of the name', ['--secret', 'id=SET'], { secrets: [{ id: 'SET', env: 'SET' }] }],
    ['a file of the name', ['--secret', 'id=unset'], { secrets: [{ id: 'unset', file: 'unset' }] }],
    [
      'a file in spite of a variable',
      ['--secret', 'id=SET,type=file'],
      { secrets: [{ id: 'SET', file: 'SET' }] },
    ],
    ['a variable without a value', ['--secret', 'id=a,type=env'], { secrets: [{ id: 'a', env: 'a' }] }],
    ['a path with a comma', ['--secret', 'id=a,"src=f,g"'], { secrets: [{ id: 'a', file: 'f,g' }] }],
    ['the default agent', ['--ssh', 'default'], { ssh: [{ id: 'default', paths: [], raw: false }] }],
    ['a socket', ['--ssh', 'a=/s,raw=true'], { ssh: [{ id: 'a', paths: ['/s'], raw: true }] }],
    [
      'keys',
      ['--ssh', 'a=k,l', '--ssh', '=m'],
      {
        ssh: [
          { id: 'a', paths: ['k', 'l'], raw: false },
          { id: 'default', paths: ['m'], raw: false },
        ],
      },
    ],
    ['--network none', ['--network', 'none'], { network: 'none' }],
    [
      '--network host, which allows itself',
      ['--network', 'host'],
      { network: 'host', allow: ['network.host'] },
    ],
    [
      '--allow',
      ['--allow', 'network.host,security.insecure'],
      { allow: ['network.host', 'security.insecure'] },
    ],
    [
      'hosts',
      ['--add-host', 'a:1.2.3.4', '--add-host', 'b=::1,[::2]', '--add-host', 'c:host-gateway'],
      {
        extraHosts: [
          { name: 'a', address: '1.2.3.4' },
          { name: 'b', address: '::1' },
          { name: 'b', address: '::2' },
          { name: 'c', address: '127.0.0.1' },
        ],
      },
    ],
    [
      'an IPv6 address after a colon',
      ['--add-host', 'a:::1'],
      { extraHosts: [{ name: 'a', address: '::1' }] },
    ],
    ['--shm-size', ['--shm-size', '1.5m'], { shmSize: 1_572_864 }],
    ['--shm-size in bytes', ['--shm-size', '2GiB'], { shmSize: 2 ** 31 }],
    [
      'limits',
      ['--ulimit', 'nofile=1:2', '--ulimit', 'core=5', '--ulimit', 'core=-1'],
      {
        ulimits: [
          { name: 'nofile', soft: 1, hard: 2 },
          { name: 'core', soft: -1, hard: -1 },
        ],
      },
    ],
    ['--parallel', ['--parallel', '3'], { parallelism: 3 }],
    ['--upload-chunk-size', ['--upload-chunk-size', '50m'], { chunkBytes: 52_428_800 }],
    [
      '--push-ignore-immutable-tag-errors',
      ['--push-ignore-immutable-tag-errors'],
      { ignoreImmutableTags: true },
    ],
  ])('takes %s', async (_what, args, expected) => {
    expect(await buildOptionsOf(args, { SET: 'x' })).toMatchObject(expected)
  })

  test.each([
    [['--secret', 'id'], "invalid field 'id' must be a key=value pair"],
    [['--secret', 'id=a,x=1'], "unexpected key 'x' in 'x=1'"],
    [['--secret', 'id=a,type=x'], 'unsupported secret type "x"'],
    [['--secret', 'src=a'], 'it has no id'],
    [['--ssh', 'a', '--ssh', 'a=/s'], 'two --ssh of the name "a"'],
    [['--ssh', 'a=/s,raw=yes'], '"raw=yes" is neither true nor false'],
    [['--network', 'bridge'], 'there is no such choice'],
    [['--allow', 'device'], 'there is no such entitlement'],
    [['--add-host', 'a'], 'invalid host a'],
    [['--add-host', 'a:1.2.3'], 'invalid host a:1.2.3'],
    [['--add-host', 'a=1.2.3.4,'], 'invalid host a=1.2.3.4,'],
    [['--shm-size', '0'], "invalid size: '0'"],
    [['--shm-size', '1x'], "invalid size: '1x'"],
    [['--upload-chunk-size', '0'], "Cannot use --upload-chunk-size 0: invalid size: '0'"],
    [['--ulimit', 'nofile'], 'invalid ulimit argument: nofile'],
    [['--ulimit', 'nofile=1:2:3'], 'invalid ulimit argument'],
    [['--ulimit', 'files=1'], 'invalid ulimit type: files'],
    [['--ulimit', 'nofile=3:2'], 'must be less than or equal to hard limit: 3 > 2'],
    [['--ulimit', 'nofile=-1:2'], 'unlimited > 2'],
    [['--parallel', '0'], 'it is not a number from 1 on'],
    [['--cgroup-parent', 'x'], 'Cannot use --cgroup-parent: it is not supported'],
  ])('refuses %j', async (args, message) => {
    const { exitCode, stderr } = await runCli(['build', ...args])
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining(message)])
  })
})
