import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { environments, IDLE, makeRoot, openDirectory, run } from './environment.ts'

describe.each(environments())('runInRoot() as $name', (environment) => {
  const root = makeRoot(environment)
  const sh = async (script: string, options = {}) => await run(environment, root, script, options)
  const output = async (script: string, options = {}) => (await sh(script, options)).stdout

  test.each([
    ['exit 0', 0, undefined],
    ['exit 7', 7, undefined],
    ['exit 125', 125, undefined],
    ['kill -9 $$', 137, 'SIGKILL'],
    ['kill -TERM $$', 143, 'SIGTERM'],
  ])('gives the status of "%s"', async (script, exitCode, signal) => {
    expect(await sh(script)).toMatchObject({ exitCode, ...(signal === undefined ? {} : { signal }) })
  })

  test('tells what could not be started, with 127 or 126', async () => {
    expect(await run(environment, root, ['missing'])).toMatchObject({
      exitCode: 127,
      stderr: 'exec "missing": No such file or directory\n',
    })
    expect(await run(environment, root, ['/etc/passwd'])).toMatchObject({
      exitCode: 126,
      stderr: 'exec "/etc/passwd": Permission denied\n',
    })
  })

  test('looks for the program in the PATH that the process gets', async () => {
    expect(await run(environment, root, ['echo', 'found'], { env: ['PATH=/nowhere:/bin'] })).toMatchObject({
      exitCode: 0,
      stdout: 'found\n',
    })
    expect(await run(environment, root, ['echo'], { env: ['PATH=/nowhere'] })).toMatchObject({
      exitCode: 127,
    })
  })

  test('gives the environment as it is asked for, and nothing else', async () => {
    const env = ['A=b c', 'PATH=/bin', 'EMPTY=', 'LINES=x\ny']
    expect(await run(environment, root, ['/bin/busybox', 'env', '-0'], { env })).toMatchObject({
      exitCode: 0,
    })
    expect(await run(environment, root, ['/bin/cat', '/proc/self/environ'], { env })).toMatchObject({
      stdout: `${env.join('\0')}\0`,
    })
  })

  test('has no input, no terminal and no descriptor of the builder', async () => {
    expect(await output('readlink /proc/self/fd/0; cat; ls /proc/self/fd | tr "\\n" " "; tty')).toBe(
      '/dev/null\n0 1 2 3 not a tty\n',
    )
    expect((await sh('echo >/dev/tty')).stderr).toContain('/dev/tty')
  })

  test('separates the streams, and lets USER open them by name', async () => {
    const result = await sh('id -u; echo out >/dev/stdout; echo err >/dev/stderr; umask', {
      uid: 1000,
      gid: 1000,
      groups: [1000, 50],
    })
    expect(result).toMatchObject({ exitCode: 0, stdout: '1000\nout\n0022\n', stderr: 'err\n' })
  })

  test('sets the ids and the supplementary groups', async () => {
    const ids = 'grep -E "^(Uid|Gid|Groups)" /proc/self/status | tr "\\t\\n" "  " | sed "s/ *$//"'
    expect(await output(ids, { uid: 1000, gid: 1001, groups: [7, 8] })).toMatchInlineSnapshot(
      `"Uid: 1000 1000 1000 1000 Gid: 1001 1001 1001 1001 Groups: 7 8"`,
    )
    expect(await output(ids)).toMatchInlineSnapshot(`"Uid: 0 0 0 0 Gid: 0 0 0 0 Groups:"`)
  })

  test('keeps the default capabilities, filters system calls and allows set-uid programs', async () => {
    const status = 'grep -E "^(Cap|NoNewPrivs|Seccomp:)" /proc/self/status | tr -d "\\n" | tr "\\t" " "'
    expect(await output(status)).toMatchInlineSnapshot(
      `"CapInh: 0000000000000000CapPrm: 00000000a80425fbCapEff: 00000000a80425fbCapBnd: 00000000a80425fbCapAmb: 0000000000000000NoNewPrivs: 0Seccomp: 2"`,
    )
    expect(await output(status, { uid: 1000, gid: 1000 })).toContain(
      'CapEff: 0000000000000000CapBnd: 00000000a80425fb',
    )
    expect(await output(status, { security: 'insecure' })).toMatch(/CapEff: 000001f+.*Seccomp: 0$/)
  })

  test('sees its own processes only, and is not process 1', async () => {
    expect(await output('ls /proc | grep -c "^[0-9]"; [ $$ -gt 1 ] && echo child')).toMatch(
      /^[2345]\nchild\n$/,
    )
  })

  test('has the devices, shared memory and terminals that programs expect', async () => {
    expect(
      await output(`
        for device in null zero full random urandom tty; do stat -c '%n %a %t %T' /dev/$device; done
        for link in fd stdin stdout stderr ptmx; do echo "$link $(readlink /dev/$link)"; done
        stat -c '%n %a' /dev/shm /dev/pts /dev/mqueue
        df -k /dev/shm | tail -n 1 | awk '{print $2}'
        echo lost >/dev/null; head -c 4 /dev/zero | wc -c; head -c 4 /dev/urandom | wc -c`),
    ).toMatchInlineSnapshot(`
      "/dev/null 666 1 3
      /dev/zero 666 1 5
      /dev/full 666 1 7
      /dev/random 666 1 8
      /dev/urandom 666 1 9
      /dev/tty 666 5 0
      fd /proc/self/fd
      stdin /proc/self/fd/0
      stdout /proc/self/fd/1
      stderr /proc/self/fd/2
      ptmx pts/ptmx
      /dev/shm 1777
      /dev/pts 755
      /dev/mqueue 1777
      1024
      4
      4
      "
    `)
  })

  test('may not change the kernel, see what is hidden, or undo either', async () => {
    const attempts = [
      'echo x >/proc/sys/kernel/hostname',
      'echo x >/proc/sysrq-trigger',
      'mkdir /sys/fs/cgroup/x',
      'mount -t tmpfs none /tmp',
      'mount -o remount,rw /sys',
      'umount /proc/sys',
      'unshare -m true',
      'unshare -U true',
      'chroot . unshare -r true',
      'hostname other',
      'mknod /tmp/sda b 8 0 && head -c 1 /tmp/sda',
      'mknod /dev/sda b 8 0 && head -c 1 /dev/sda',
      'mknod /tmp/mem c 1 1 && head -c 1 /tmp/mem',
    ]
    const script = attempts.map((attempt) => `(${attempt}) 2>/dev/null && echo 'DONE: ${attempt}'`).join('\n')
    expect(await output(`${script}\ncat /proc/kcore /proc/keys | wc -c; ls /sys/firmware | wc -l`)).toBe(
      '0\n0\n',
    )
  })

  test('has the host name asked for', async () => {
    expect(await output('hostname')).toBe('builder\n')
  })

  test('has no network but a loopback device with network "none"', async () => {
    expect(
      await output(
        'ls /sys/class/net >/dev/null; ip -o link | wc -l; ping -c 1 127.0.0.1 >/dev/null && echo up',
        { network: 'none' },
      ),
    ).toBe('1\nup\n')
  })

  test('ends everything that the process started', async () => {
    const marker = `marker-${environment.name.length}-${Math.floor(performance.now() * 1000)}`
    const started = performance.now()
    await sh(
      `setsid sh -c 'exec -a ${marker} sleep 1000' & sh -c 'trap "" TERM; sleep 1001 # ${marker}' & sleep 0.1`,
    )
    expect(performance.now() - started).toBeLessThan(5000)
    expect(commandLines().filter((line) => line.includes(marker))).toEqual([])
  })

  test('passes SIGTERM on when the job is aborted, and throws the reason', async () => {
    const abort = new AbortController()
    const job = { signal: abort.signal, emit: () => {} }
    const reason = new Error('enough')
    const running = run(
      environment,
      root,
      'trap "echo ended >/tmp/trap; exit 0" TERM; touch /tmp/ready; while :; do sleep 0.05; done',
      {},
      job,
    )
    await new Promise((resolve) => setTimeout(resolve, 500))
    abort.abort(reason)
    await expect(running).rejects.toBe(reason)
    expect(readFileSync(`${root}/tmp/trap`, 'utf8')).toBe('ended\n')
  })

  test('kills what ignores SIGTERM two seconds later', async () => {
    const abort = new AbortController()
    const running = run(
      environment,
      root,
      `trap "" TERM; sleep 30.${process.pid}; sleep 30.${process.pid}`,
      {},
      { signal: abort.signal, emit: () => {} },
    )
    await new Promise((resolve) => setTimeout(resolve, 300))
    const aborted = performance.now()
    abort.abort(new Error('enough'))
    await expect(running).rejects.toThrow('enough')
    expect(performance.now() - aborted).toBeLessThan(4000)
    expect(commandLines().filter((line) => line.includes(`30.${process.pid}`))).toEqual([])
  })

  test('cannot be told by the process to stop it', async () => {
    expect(await sh('kill -TERM 1; kill -9 1; sleep 0.1; echo still here')).toMatchObject({
      exitCode: 0,
      stdout: 'still here\n',
    })
  })

  test('leaves nothing in the root, and the times of its directories as they were', async () => {
    const fresh = makeRoot(environment)
    const list = `find . -path ./bin/\\* -prune -o -printf '%p %y %m %U:%G %T@\\n' | sort`
    const before = environment.shell(fresh, list)
    const source = openDirectory()
    const result = await run(
      environment,
      fresh,
      'cat /run/secrets/deep/passwd >/dev/null && ls /etc /srv/cache',
      {
        mounts: [
          { type: 'bind', source: '/etc/passwd', target: '/run/secrets/deep/passwd', readonly: true },
          { type: 'bind', source: '/etc/hosts', target: '/etc/hosts', readonly: true },
          { type: 'bind', source, target: '/srv/cache', readonly: false },
          { type: 'tmpfs', target: '/scratch', size: 65536 },
        ],
      },
    )
    expect(result).toMatchObject({ exitCode: 0 })
    expect(environment.shell(fresh, list)).toBe(before)
    expect(result.stubs.slice(0, 3)).toEqual(['/proc', '/dev', '/sys'])
    expect(result.stubs.slice(-7)).toEqual(
      [
        '/run',
        '/run/secrets',
        '/run/secrets/deep',
        '/run/secrets/deep/passwd',
        '/etc/hosts',
        '/srv',
        '/srv/cache',
      ]
        .concat('/scratch')
        .slice(-7),
    )
  })

  test('keeps what the process put beside a mount point, and its times', async () => {
    const fresh = makeRoot(environment)
    await run(environment, fresh, 'touch /run/mine; touch -d "2002-02-02 02:02:02" /run; chmod 700 /srv', {
      mounts: [
        { type: 'bind', source: '/etc/hosts', target: '/run/hosts', readonly: true },
        { type: 'bind', source: '/etc/hosts', target: '/srv/hosts', readonly: true },
      ],
    })
    expect(
      environment.shell(fresh, `find run srv -printf '%p %m %Ts\\n' | sort | sed 's/ 17[0-9]*$/ now/'`),
    ).toMatch(/^run 755 1012615322\nrun\/mine 644 now\nsrv 700 now\n$/)
  })

  test('mounts: read-only, writable and in memory', async () => {
    const source = environment.directory()
    const script = `
      (echo x >/ro/file) 2>/dev/null || echo refused
      echo y >/rw/file; echo z >/mem/file && head -c 100000 /dev/zero >/mem/full 2>/dev/null || echo full
      mknod /rw/null c 1 3 2>/dev/null; (echo >/rw/null) 2>/dev/null || echo nodev`
    expect(
      await output(script, {
        mounts: [
          { type: 'bind', source, target: '/ro', readonly: true },
          { type: 'bind', source, target: '/rw', readonly: false },
          { type: 'tmpfs', target: '/mem', size: 65536 },
        ],
      }),
    ).toMatch(/^refused\nfull\n(nodev\n)?$/)
    expect(readFileSync(`${source}/file`, 'utf8')).toBe('y\n')
  })

  test('makes the working directory where it is missing, for good', async () => {
    const fresh = makeRoot(environment)
    expect(await run(environment, fresh, 'pwd', { cwd: '/work/deep' })).toMatchObject({
      stdout: '/work/deep\n',
    })
    expect(environment.shell(fresh, `find work -printf '%p %m %U\\n'`)).toBe('work 755 0\nwork/deep 755 0\n')
  })

  test('names the step, its argument and the reason when it can not set things up', async () => {
    const missing = { type: 'bind', source: '/no/such/thing', target: '/x', readonly: true } as const
    await expect(sh('true', { mounts: [missing] })).rejects.toThrow(
      'Cannot set up the process: open bind source "/no/such/thing": No such file or directory',
    )
    await expect(sh('true', { cwd: '/etc/passwd' })).rejects.toThrow(
      'find mount point "/etc/passwd": Not a directory',
    )
    if (environment.name !== 'root')
      await expect(sh('true', { uid: 70000 })).rejects.toThrow(
        'give the output to user "70000": Invalid argument',
      )
  })

  test('carries output larger than a pipe holds, and ends where nobody reads to the end', async () => {
    const result = await sh('head -c 3000000 /dev/zero; head -c 1000000 /dev/zero >&2')
    expect([result.stdout.length, result.stderr.length]).toEqual([3_000_000, 1_000_000])
  })

  test('throws at once where the job was aborted before', async () => {
    const job = { ...IDLE, signal: AbortSignal.abort(new Error('never mind')) }
    await expect(run(environment, root, 'true', {}, job)).rejects.toThrow('never mind')
  })
})

function commandLines(): readonly string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        return [readFileSync(`/proc/${pid}/cmdline`, 'utf8')]
      } catch {
        return []
      }
    })
}
