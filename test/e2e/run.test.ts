import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { miniBase } from '../support/base-image.ts'
import { mustRun, startCommand } from '../support/command.ts'
import { identities } from '../support/identity.ts'
import { readProgress } from '../support/progress.ts'
import { readOciArchive } from '../support/read-archive.ts'
import { createWorkspace, type OssbOptions, type Workspace } from '../support/workspace.ts'

const base = await miniBase()
const SECRET = 'correct-horse-battery'
/** The diff ID of a RUN that changed nothing: 1024 zero bytes. */
const UNCHANGED = 'sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef'

const cases = (await identities()).flatMap((identity) =>
  (['auto', 'container'] as const).map((executor) => ({ name: identity.name, executor, identity })),
)

describe.each(cases)('RUN as $name, executor $executor', ({ identity, executor }) => {
  const build = (workspace: Workspace, args: readonly string[], options?: OssbOptions) =>
    workspace.ossb(['build', '--progress', 'json', '--executor', executor, ...args, 'app'], options)
  const succeed = async (workspace: Workspace, args: readonly string[], options?: OssbOptions) => {
    const { status, stderr } = await build(workspace, args, options)
    expect(status, stderr).toBe(0)
    const { output } = readProgress(stderr)
    return { output: output.map((line) => line.replace(/\s+/g, ' ')) }
  }
  const dockerfile = (...lines: readonly string[]) => ({
    'app/Dockerfile': `FROM oci-layout://${base}:base\n${lines.join('\n')}\n`,
  })

  test('a secret is a file or a variable while it runs, and nowhere afterwards', async () => {
    await using workspace = await createWorkspace(identity)
    await workspace.write({
      ...dockerfile(
        'RUN --mount=type=secret,id=token,required cat /run/secrets/token | sha256sum && ls -ln /run/secrets/token',
        'RUN --mount=type=secret,id=token,target=/deep/in/here,mode=0440,uid=7,gid=8,env=TOKEN ls -ln /deep/in/here; echo "$TOKEN" | sha256sum',
        'RUN --mount=type=secret,id=other,env=OTHER echo "other: $OTHER"; ls /run/secrets 2>/dev/null || echo none',
        'RUN --mount=type=secret,id=absent,env=ABSENT echo "absent: ${ABSENT-unset}"',
      ),
      token: SECRET,
    })
    const flags = ['--secret', 'id=token,src=token', '--secret', 'id=other']
    const env = { other: 'from the environment' }
    const first = await succeed(workspace, [...flags, '-o', 'type=oci,dest=out.tar'], { env })
    const output = first.output.map((line) => line.replace(/ \w+ +\d+ [\d:]+ (?=\/)/, ' DATE '))
    expect(output.filter((line) => line.startsWith('-'))).toEqual([
      expect.stringMatching(
        /^-r-{8}\. 1 0 0 21 DATE \/run\/secrets\/token$|^-r-{8} 1 0 0 21 DATE \/run\/secrets\/token$/,
      ),
      expect.stringMatching(/^-r--r-----\.? 1 7 8 21 DATE \/deep\/in\/here$/),
    ])
    expect(output).toEqual(expect.arrayContaining(['other: from the environment', 'none', 'absent: unset']))
    const image = await readOciArchive(workspace.file('out.tar'))
    expect(image.config.rootfs.diff_ids.slice(-4)).toEqual(Array(4).fill(UNCHANGED))
    expect(
      await mustRun('sh', ['-c', `grep -rla "$1" . || true`, 'sh', SECRET], { cwd: workspace.path }),
    ).toBe('./token\n')
    await workspace.write({ token: 'another' })
    const second = await succeed(workspace, [...flags], { env })
    expect(second.output).toEqual([])
  })

  test('files of the context that are mounted are root’s, whoever owns them', async () => {
    await using workspace = await createWorkspace(identity)
    await workspace.write({
      ...dockerfile('RUN --mount=target=/src ls -ln /src/dir /src/dir/a; ls -ldn /src/dir'),
      'app/dir/a': 'a',
    })
    if (identity.name === 'root') await mustRun('chown', ['-R', '4321:4322', workspace.file('app/dir')])
    const { output } = await succeed(workspace, [])
    const owners = output.flatMap((line) => /^[-d]\S+ \d+ (\d+ \d+) /.exec(line)?.[1] ?? [])
    expect(owners).toEqual(['0 0', '0 0', '0 0'])
  })

  test('a required secret or agent that nobody gave is an error', async () => {
    await using workspace = await createWorkspace(identity)
    await workspace.write(dockerfile('RUN --mount=type=secret,id=mysecret,required true'))
    expect((await build(workspace, [])).stderr).toContain('secret mysecret: not found')
    await workspace.write(dockerfile('RUN --mount=type=ssh,required true'))
    expect((await build(workspace, [])).stderr).toContain('no SSH key \\"\\" forwarded from the client')
    await workspace.write(
      dockerfile('RUN --mount=type=ssh echo "sock: $SSH_AUTH_SOCK"; ls /run 2>&1 || true'),
    )
    expect((await succeed(workspace, [])).output).toContain('sock: /run/buildkit/ssh_agent.0')
  })

  test('an SSH agent signs for a RUN of any user, and lets it change nothing', async () => {
    await using workspace = await createWorkspace(identity)
    await workspace.fill('app', async (directory) => {
      await mkdir(join(directory, 'tools'))
      await copyProgram('/usr/bin/ssh-add', join(directory, 'tools'))
      const run = (flags: string, command: string) =>
        `RUN --mount=type=bind,source=tools,target=/tools --mount=type=ssh${flags} add() { /tools/loader --library-path /tools /tools/ssh-add "$@"; }; ${command}`
      await writeFile(
        join(directory, 'Dockerfile'),
        [
          `FROM oci-layout://${base}:base`,
          run('', 'add -l; add -D; add -l; ls -ln $SSH_AUTH_SOCK'),
          'USER 1000:1000',
          run(',id=keys,uid=1000,target=/agent', 'add -l && echo $SSH_AUTH_SOCK'),
          '',
        ].join('\n'),
      )
    })
    await workspace.fill('keys', async (directory) => {
      for (const name of ['one', 'two'])
        await mustRun('ssh-keygen', [
          '-q',
          '-t',
          'ed25519',
          '-N',
          '',
          '-C',
          name,
          '-f',
          join(directory, name),
        ])
    })
    const owner = identity.uid === undefined ? {} : { uid: identity.uid, gid: identity.gid ?? identity.uid }
    const socket = workspace.file('agent')
    const agent = startCommand('ssh-agent', ['-D', '-a', socket], owner)
    try {
      await agent.waitFor(/SSH_AUTH_SOCK/)
      const env = { ...process.env, SSH_AUTH_SOCK: socket }
      await mustRun('ssh-add', ['-q', workspace.file('keys/one')], { env, ...owner })
      const { output } = await succeed(
        workspace,
        ['--ssh', 'default', '--ssh', `keys=keys/one,keys/two`, '-o', 'type=oci,dest=out.tar'],
        { env: { SSH_AUTH_SOCK: socket } },
      )
      expect(
        output.map((line) =>
          line.replace(/SHA256:\S+/, 'SHA256').replace(/ \w+ +\d+ [\d:]+ (?=\/)/, ' DATE '),
        ),
      ).toEqual([
        '256 SHA256 one (ED25519)',
        'Failed to remove all identities.',
        '256 SHA256 one (ED25519)',
        expect.stringMatching(/^srw------- 1 0 0 0 DATE \/run\/buildkit\/ssh_agent\.0$/),
        '256 SHA256 one (ED25519)',
        '256 SHA256 two (ED25519)',
        '/agent',
      ])
    } finally {
      agent.child.kill()
      await agent.done
    }
    const image = await readOciArchive(workspace.file('out.tar'))
    expect(image.config.rootfs.diff_ids.slice(-2)).toEqual([UNCHANGED, UNCHANGED])
    expect(await workspace.leftovers()).toEqual([])
  })

  test('no mount leaves a trace in the layer', async () => {
    await using workspace = await createWorkspace(identity)
    await workspace.write({
      ...dockerfile(
        'WORKDIR /w',
        `RUN --mount=type=cache,target=/a/b/c --mount=type=tmpfs,target=t/memory,size=1m \\
             --mount=type=bind,target=/bound/here,rw --mount=type=bind,source=file,target=/etc/one/file \\
             --mount=type=cache,target=/root,id=home <<EOF
echo kept > /a/b/c/kept; echo x > /w/t/memory/x; echo y > /bound/here/y; echo z > /root/z; cat /bound/here/file /etc/one/file
EOF`,
        'RUN --mount=type=cache,target=/a/b/c,readonly cat /a/b/c/kept; (echo x > /a/b/c/x) 2>/dev/null || echo refused',
        `RUN --mount=type=cache,target=/sub,id=/a/b/c,source=inner echo deep > /sub/file`,
        'RUN --mount=type=cache,target=/a/b/c cat /a/b/c/inner/file',
      ),
      'app/file': 'content\n',
    })
    const { output } = await succeed(workspace, ['-o', 'type=oci,dest=out.tar'])
    expect(output).toEqual(['content', 'content', 'kept', 'refused', 'deep'])
    const image = await readOciArchive(workspace.file('out.tar'))
    expect(image.config.rootfs.diff_ids.slice(-4)).toEqual(Array(4).fill(UNCHANGED))
    expect((await succeed(workspace, ['--no-cache'])).output).toContain('kept')
  })

  test('locked caches are used by one RUN at a time, in whatever order they are named', async () => {
    await using workspace = await createWorkspace(identity)
    const mount = (id: string) => `--mount=type=cache,id=${id},target=/${id},sharing=locked`
    const script = 'mkdir /one/busy || exit 9; sleep 0.3; rmdir /one/busy'
    await workspace.write({
      'app/Dockerfile': `FROM oci-layout://${base}:base AS base
FROM base AS a
RUN ${mount('one')} ${mount('two')} ${script}; echo a > /done-a
FROM base AS b
RUN ${mount('two')} ${mount('one')} --mount=type=cache,id=one,target=/again,sharing=locked ${script}; echo b > /done-b
FROM base
COPY --from=a /done-a /
COPY --from=b /done-b /
`,
    })
    await succeed(workspace, ['--parallel', '4'])
  })

  test('the flags for all RUNs', async () => {
    await using workspace = await createWorkspace(identity)
    await workspace.write(
      dockerfile(
        'RUN ulimit -Sn; ulimit -c; cat /etc/hosts | tail -n 3; grep /dev/shm /proc/mounts',
        'RUN grep -c : /proc/net/dev',
        'RUN env | grep -i proxy | sort',
      ),
    )
    const flags = (address: string) =>
      `--add-host one:${address} --add-host=six=[::5] --add-host up=host-gateway --ulimit core=0 --shm-size 1m --network none --build-arg https_proxy=http://proxy.example`.split(
        ' ',
      )
    const first = await succeed(workspace, [...flags('10.0.0.1'), '-o', 'type=oci,dest=out.tar'])
    expect(first.output).toEqual([
      '1024',
      '0',
      '10.0.0.1 one',
      '::5 six',
      '127.0.0.1 up',
      expect.stringMatching(/size=1024k/),
      '1',
      'HTTPS_PROXY=http://proxy.example',
      'https_proxy=http://proxy.example',
    ])
    const archive = await readOciArchive(workspace.file('out.tar'))
    expect(JSON.stringify(archive.config)).not.toContain('proxy.example')
    expect((await succeed(workspace, flags('10.0.0.2'))).output).toEqual([])
    const other = await succeed(workspace, ['--ulimit', 'nofile=100:200'])
    expect(other.output.slice(0, 1)).toEqual(['100'])
    expect(
      Number(other.output.find((line) => /^\d+$/.test(line) && line !== '100' && line !== '0')),
    ).toBeGreaterThan(0)
  })

  test('what has to be allowed is refused without --allow, before anything runs', async () => {
    await using workspace = await createWorkspace(identity)
    await workspace.write(
      dockerfile(
        'RUN echo ran',
        'RUN --security=insecure grep -E "^(CapEff|Seccomp):" /proc/self/status',
        'RUN --network=host true',
      ),
    )
    const refused = await build(workspace, [])
    expect([refused.status, readProgress(refused.stderr).output]).toEqual([1, []])
    expect(refused.stderr).toContain('security.insecure is not allowed')
    expect((await build(workspace, ['--allow', 'security.insecure'])).stderr).toContain(
      'network.host is not allowed',
    )
    const { output } = await succeed(workspace, ['--allow', 'security.insecure', '--allow', 'network.host'])
    expect(output[0]).toBe('ran')
    expect(output[2]).toBe('Seccomp: 0')
    const capabilities = (line: string | undefined) => BigInt(`0x${line?.split(/\s+/)[1]}`)
    // More than the fourteen of a sandbox: all that the builder itself may give.
    expect(capabilities(output[1]) & ~0xa80425fbn).not.toBe(0n)
  })
})

/** A program with its libraries and its loader, to be run where the rest of this machine is not. */
async function copyProgram(program: string, directory: string): Promise<void> {
  const listed = await mustRun('ldd', [program])
  await copyFile(program, join(directory, basename(program)))
  for (const [, path = ''] of listed.matchAll(/(\/\S+) \(0x/g)) {
    const name = /\/ld-[^/]*$/.test(path) ? 'loader' : basename(path)
    await copyFile(path, join(directory, name))
  }
}
