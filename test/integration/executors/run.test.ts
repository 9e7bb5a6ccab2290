import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { beforeAll, describe, expect, test } from 'vitest'
import { identities } from '../../support/identity.ts'
import { type Case, type ExecutorUnderTest, type Outcomes, runCases } from './run-cases.ts'

/** How long the processes sleep that must not be left: told apart from those of another run of these tests. */
const SLEEP = `3456.${process.pid}`

const TIMES = 's/ 1[78][0-9]\\{8\\}\\.[0-9]*/ now/'

const LIST_DEVICES = `cd /dev; for node in kmsg fuse kvm loop-control loop0 loop7; do
  if test -c $node -o -b $node; then stat -c '%n %t %T' $node; fi
  if (: <$node) 2>/dev/null; then echo opened; fi; done`

/** One table for every executor: what a process finds, and what it leaves. */
const CASES = {
  success: { process: { script: 'true' } },
  status: { process: { script: 'exit 7' } },
  'status of the helper': { process: { script: 'exit 125' } },
  'no processor time left': { process: { script: 'ulimit -t 1; while :; do :; done' } },
  'missing program': { process: { args: ['missing'] } },
  'missing program by path': { process: { args: ['/bin/missing'] } },
  'program that is none': { process: { args: ['/etc/passwd'] } },
  'search path': { process: { args: ['sh', '-c', 'echo found'], env: ['PATH=/nowhere:/bin'] } },
  environment: {
    process: {
      args: ['/bin/cat', '/proc/self/environ'],
      env: ['A=b c', 'PATH=/bin', 'EMPTY=', 'LINES=x\ny'],
    },
  },
  'environment with HOME': {
    process: { args: ['/bin/cat', '/proc/self/environ'], env: ['HOME=/here', 'HOSTNAME=there'] },
  },
  'limit out of reach': {
    process: { script: 'true', limits: [{ name: 'nofile', soft: 1, hard: 2 ** 50 }] },
  },
  'environment of all processes': {
    process: { script: 'cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline | tr "\\0" "\\n"' },
  },
  'default user': { process: { script: 'id; echo $HOME' } },
  'user by name': { process: { script: 'id; echo $HOME', user: 'app' } },
  'user by number': { process: { script: 'id; echo $HOME', user: '1000' } },
  'user without entry': { process: { script: 'id -u; id -g; echo $HOME', user: '4321' } },
  'user and group': { process: { script: 'id', user: 'app:other' } },
  'unknown user': { process: { script: 'id', user: 'nobody-here' } },
  'id out of range': { process: { script: 'id -u', user: '3000000' } },
  capabilities: { process: { script: 'grep -E "^(Cap|NoNewPrivs|Seccomp:)" /proc/self/status' } },
  'capabilities of a user': {
    process: { script: 'grep -E "^(Cap|NoNewPrivs|Seccomp:)" /proc/self/status', user: 'app' },
  },
  'insecure capabilities': {
    process: { script: 'grep -E "^(CapEff|Seccomp:)" /proc/self/status', security: 'insecure' },
  },
  'new working directory': {
    process: { script: 'pwd', cwd: '/work/deep' },
    check: "find root/work -printf '%P %m %U\\n'",
  },
  'standard input': {
    process: { script: 'readlink /proc/self/fd/0; cat; ls /proc/self/fd | tr "\\n" " "; tty' },
  },
  'standard streams by name': {
    process: { script: 'umask; echo out >/dev/stdout; echo err >/dev/stderr', user: 'app' },
  },
  'much output': { process: { script: 'head -c 300000 /dev/zero; head -c 100000 /dev/zero >&2' } },
  daemon: { process: { script: `setsid sleep ${SLEEP} & sleep ${SLEEP} & sleep 0.1` } },
  'no network': {
    process: {
      script: 'ip -o link | cut -d: -f2; ping -c 1 127.0.0.1 >/dev/null && echo up',
      network: 'none',
    },
  },
  'host name': { process: { script: 'hostname' } },
  mounts: {
    setUp: 'mkdir source; echo shown >source/file; echo one >single',
    process: {
      script: `cat /ro/file /single; (echo x >/ro/new) 2>/dev/null || echo refused
        echo y >/rw/new; echo z >/memory/new
        head -c 100000 /dev/zero 2>/dev/null >/memory/full || echo full; stat -c %a /memory`,
      mounts: [
        { type: 'bind', source: 'source', target: '/ro', readonly: true },
        { type: 'bind', source: 'source', target: '/rw', readonly: false },
        { type: 'bind', source: 'single', target: '/single', readonly: true },
        { type: 'tmpfs', target: '/memory', size: 65_536 },
      ],
    },
    check: 'cat source/new; ls source',
  },
  'mounts in mounts': {
    setUp: 'mkdir cache; echo secret >secret',
    process: {
      script: 'cat /outer/inner/file /cache/deep/file; ls /outer',
      mounts: [
        { type: 'tmpfs', target: '/outer' },
        { type: 'bind', source: 'secret', target: '/outer/inner/file', readonly: true },
        { type: 'bind', source: 'cache', target: '/cache', readonly: false },
        { type: 'bind', source: 'secret', target: '/cache/deep/file', readonly: true },
      ],
    },
  },
  'network files': {
    process: {
      script:
        'cat /etc/hosts; stat -c %a /etc/hosts /etc/resolv.conf; (echo x >>/etc/hosts) 2>/dev/null || echo refused',
      user: 'app',
      extraHosts: [{ name: 'registry.example', address: '10.1.2.3' }],
    },
  },
  'mount points in the way of links': {
    setUp:
      'mkdir -m 755 root/run; ln -s ../run/resolv.conf root/etc/resolv.conf; ln -s /etc root/link; echo x >file',
    process: {
      script: 'cat /link/deep/file',
      mounts: [{ type: 'bind', source: 'file', target: '/link/deep/file', readonly: true }],
    },
  },
  'links in place of /proc': {
    setUp: 'ln -s etc root/proc',
    process: { script: 'true' },
    check: 'ls -A root/etc; ls -A /etc | grep -c passwd >/dev/null && echo untouched',
  },
  'own files beside mount points': {
    setUp: 'echo x >file',
    process: {
      script: 'echo mine >/run/mine; touch -d "2002-02-02 02:02:02" /run; chmod 700 /srv',
      mounts: [
        { type: 'bind', source: 'file', target: '/run/file', readonly: true },
        { type: 'bind', source: 'file', target: '/srv/file', readonly: true },
      ],
    },
    check: `cd root && find run srv -printf '%p %m %T@\\n' | sort | sed '${TIMES}'`,
  },
  'mount point that was replaced by a link': {
    setUp: 'mkdir outside; echo x >file',
    process: {
      script: 'mkdir /moved && umount /gone 2>/dev/null; mv /above /moved && ln -s ../outside /above',
      mounts: [{ type: 'tmpfs', target: '/above/point' }],
    },
    check: 'ls -d outside',
  },
  attempts: {
    process: {
      script: [
        'echo x >/proc/sys/kernel/hostname',
        'mkdir /sys/fs/cgroup/x',
        'mount -t tmpfs none /tmp',
        'mount -o remount,rw /sys',
        'umount /proc/sys',
        'unshare -m true',
        'unshare -U true',
        'hostname other',
        'mknod /tmp/disk b 254 0 && head -c 1 /tmp/disk',
        'mknod /dev/disk b 254 0 && head -c 1 /dev/disk',
        'mknod /tmp/zero c 1 5 && head -c 1 /tmp/zero',
      ]
        .map((attempt) => `(${attempt}) >/dev/null 2>&1 && echo 'DONE: ${attempt}'`)
        .join('\n')
        .concat('\nrm -f /tmp/disk /tmp/zero; cat /proc/kcore /proc/keys | wc -c; ls /sys/firmware | wc -l'),
    },
  },
  devices: {
    process: {
      script: `for node in null zero full random urandom tty; do stat -c '%n %a %t %T' /dev/$node; done
        stat -c '%n %a' /dev/shm /dev/pts /dev/mqueue; df -k /dev/shm | tail -n 1 | awk '{print $2}'
        echo lost >/dev/null; head -c 4 /dev/zero | wc -c; head -c 4 /dev/urandom | wc -c`,
    },
  },
  'devices of the machine': { process: { script: LIST_DEVICES, security: 'insecure' } },
  'hosts of the image': {
    setUp: 'echo own >root/etc/hosts; touch -d "2002-02-02 02:02:02" root/etc/hosts',
    process: { script: 'grep -c own /etc/hosts; grep -c " /run " /proc/mounts' },
    check: 'cat root/etc/hosts',
  },
  'missing source': {
    process: { script: 'true', mounts: [{ type: 'bind', source: 'nowhere', target: '/x', readonly: true }] },
  },
  abort: {
    process: { script: 'trap "echo ended >/tmp/ended; exit 0" TERM; while :; do sleep 0.05; done' },
    abortAfter: 500,
    check: 'cat root/tmp/ended',
  },
  'abort of what does not listen': {
    process: { script: `trap "" TERM; sleep ${SLEEP}; sleep ${SLEEP}` },
    abortAfter: 300,
  },
} satisfies Record<string, Case>

type Name = keyof typeof CASES
const EXECUTORS: readonly ExecutorUnderTest[] = ['namespace', 'container', 'chroot']
const matrix = (await identities()).flatMap((identity) =>
  EXECUTORS.map((executor) => ({ identity, executor })),
)

describe.each(matrix)('$executor executor as $identity.name', ({ identity, executor }) => {
  const results = {} as { outcomes: Outcomes<Name> }
  beforeAll(async () => {
    results.outcomes = await runCases(identity, executor, CASES as Readonly<Record<Name, Case>>)
  })
  const outcome = (name: Name) => results.outcomes.of[name]
  /** Without namespaces and mounts: what it can't give is said in each test. */
  const isChroot = executor === 'chroot'

  test('probe() runs a process and finds that it can be used', () => {
    expect(results.outcomes.probe).toEqual({ usable: true })
  })

  test.each([
    ['success', 0],
    ['status', 7],
    ['status of the helper', 125],
    ['no processor time left', 137],
    ['missing program', 127],
    ['missing program by path', 127],
    ['program that is none', 126],
    ['search path', 0],
  ] as const)('run() gives the status of a process: %s', (name, exitCode) => {
    expect(outcome(name)).toMatchObject({ exitCode })
  })

  test('run() says what could not be started', () => {
    expect(outcome('missing program').stderr).toMatch(/missing.*: No such file or directory/)
  })

  test('run() says which limit nobody may raise so far', () => {
    const { error, code } = outcome('limit out of reach')
    expect(code).toBe('ERR_OSSB_EXECUTOR')
    expect(error).toMatch(/^Cannot set the limits? .*(nofile|NOFILE).*Operation not permitted/i)
  })

  test('run() gives the environment as it is asked for, HOME, HOSTNAME, and nothing of the host', () => {
    expect(outcome('environment').stdout).toBe(
      'A=b c\0PATH=/bin\0EMPTY=\0LINES=x\ny\0HOME=/root\0HOSTNAME=builder\0',
    )
    expect(outcome('environment with HOME').stdout).toBe('HOME=/here\0HOSTNAME=there\0')
    expect(outcome('environment of all processes').stdout).not.toMatch(/hunter2|OSSB|XDG|node|driver|bundle/)
  })

  test.each([
    ['default user', 'uid=0(root) gid=0(root) groups=0(root)\n/root\n'],
    ['user by name', 'uid=1000(app) gid=1001(app) groups=1001(app),2000(extra)\n/home/app\n'],
    ['user by number', 'uid=1000(app) gid=1001(app) groups=1001(app),2000(extra)\n/home/app\n'],
    ['user without entry', '4321\n0\n/\n'],
    ['user and group', 'uid=1000(app) gid=3000(other) groups=3000(other)\n'],
  ] as const)('run() becomes the user: %s', (name, said) => {
    expect(outcome(name)).toMatchObject({ exitCode: 0, stdout: said })
  })

  test('run() refuses a user that the root does not know', () => {
    expect(outcome('unknown user')).toMatchObject({
      code: 'ERR_OSSB_NOT_FOUND',
      error: 'unable to find user nobody-here: no matching entries in passwd file',
    })
  })

  test('run() takes an id that is not mapped for an error of the environment', () => {
    expect(outcome('id out of range')).toMatchObject(
      identity.name === 'root' ? { stdout: '3000000\n' } : { code: 'ERR_OSSB_EXECUTOR' },
    )
  })

  test('run() keeps the default capabilities, filters system calls and allows set-uid programs', () => {
    const none = '0000000000000000'
    // A second chroot would lead out of the first.
    const kept = isChroot ? '00000000a80025fb' : '00000000a80425fb'
    const status = (effective: string) =>
      `CapInh:\t${none}\nCapPrm:\t${effective}\nCapEff:\t${effective}\nCapBnd:\t${kept}\nCapAmb:\t${none}\nNoNewPrivs:\t${isChroot ? 1 : 0}\nSeccomp:\t2\n`
    expect(outcome('capabilities').stdout).toBe(status(kept))
    expect(outcome('capabilities of a user').stdout).toBe(status(none))
    expect(outcome('insecure capabilities').stdout).toMatch(
      isChroot
        ? /^CapEff:\t000001f[0-9a-f]{9}\nSeccomp:\t2\n$/
        : /^CapEff:\t000001f[0-9a-f]{9}\nSeccomp:\t0\n$/,
    )
  })

  test('run() makes the working directory where it is missing, for good', () => {
    expect(outcome('new working directory').stdout).toBe('/work/deep\n')
    expect(outcome('new working directory').checked).toBe(' 755 0\ndeep 755 0\n')
  })

  test('run() gives no input and no terminal, and streams that can be opened by name', () => {
    // What lists a served directory does not find its own descriptor of it there.
    expect(outcome('standard input').stdout).toBe(`/dev/null\n0 1 2 ${isChroot ? '' : '3 '}not a tty\n`)
    expect(outcome('standard streams by name')).toMatchObject({ stdout: '0022\nout\n', stderr: 'err\n' })
    const { stdout, stderr } = outcome('much output')
    expect([stdout.length, stderr.length]).toEqual([300_000, 100_000])
  })

  test('run() ends everything that the process started', () => {
    expect(outcome('daemon').exitCode).toBe(0)
    expect(outcome('daemon').milliseconds).toBeLessThan(5000)
    expect(commandLines().filter((line) => line.includes(SLEEP))).toEqual([])
  })

  test('run() gives no network but a loopback device with network "none"', () => {
    // Without a network namespace there are no sockets for any device.
    if (isChroot) expect(outcome('no network').stdout).not.toContain('up')
    else expect(outcome('no network').stdout).toBe(' lo\nup\n')
  })

  test('run() gives the host name and the files in /etc that go with it', () => {
    expect(outcome('host name').stdout).toBe('builder\n')
    expect(outcome('network files').stdout).toBe(
      '127.0.0.1\tlocalhost builder\n::1\tlocalhost ip6-localhost ip6-loopback\n10.1.2.3\tregistry.example\n644\n644\nrefused\n',
    )
  })

  test('run() mounts: read-only, writable, a single file and in memory', () => {
    // Copies can be written to, but what is written is lost; nothing limits a directory.
    expect(outcome('mounts').stdout).toBe(`shown\none\n${isChroot ? '' : 'refused\nfull\n'}1777\n`)
    expect(outcome('mounts').checked).toBe('y\nfile\nnew\n')
    expect(outcome('mounts in mounts').stdout).toBe('secret\nsecret\ninner\n')
    expect(outcome('mount points in the way of links').stdout).toBe('x\n')
  })

  test.each([
    'success',
    'mounts',
    'mounts in mounts',
    'network files',
    'mount points in the way of links',
    'no network',
    'missing program',
    'missing source',
  ] as const)('run() leaves nothing of its own in the root: %s', (name) => {
    expect(outcome(name).changes).toEqual([])
  })

  test('run() keeps what the process put beside a mount point, and its times', () => {
    expect(outcome('own files beside mount points').checked).toBe(
      'run 755 1012615322.0000000000\nrun/mine 644 now\nsrv 700 now\n',
    )
  })

  test('run() refuses a root whose /proc is a link', () => {
    expect(outcome('links in place of /proc')).toMatchObject({ code: 'ERR_OSSB_EXECUTOR', changes: [] })
    expect(outcome('links in place of /proc').checked).toBe('group\npasswd\nuntouched\n')
  })

  test('run() touches nothing outside when a mount point was replaced by a link', () => {
    expect(outcome('mount point that was replaced by a link').checked).toBe('outside\n')
  })

  test('run() lets no process change the kernel, see what is hidden, or undo either', () => {
    // The device files that a container's root may make work, as they do for the container.
    const made =
      isChroot && identity.name === 'root' ? 'DONE: mknod /tmp/zero c 1 5 && head -c 1 /tmp/zero\n' : ''
    expect(outcome('attempts').stdout).toBe(`${made}0\n0\n`)
  })

  test('run() gives the devices that programs expect', () => {
    const said = isChroot
      ? outcome('devices').stdout.replace(/\d+\n4\n4\n$/, '1024\n4\n4\n')
      : outcome('devices').stdout
    expect(said).toBe(
      `${['null 666 1 3', 'zero 666 1 5', 'full 666 1 7', 'random 666 1 8', 'urandom 666 1 9', 'tty 666 5 0'].map((line) => `/dev/${line}\n`).join('')}/dev/shm 1777\n/dev/pts 755\n/dev/mqueue 1777\n1024\n4\n4\n`,
    )
  })

  test('run() gives the devices of the machine to what is insecure, where they can be opened', () => {
    // A container has none.
    const all = execFileSync('sh', ['-c', LIST_DEVICES], { encoding: 'utf8' })
    expect(outcome('devices of the machine').stdout).toBe(identity.name === 'root' && !isChroot ? all : '')
    expect(outcome('devices of the machine').changes).toEqual([])
  })

  test('run() shows its own hosts in the place of those of the image, which stay, and mounts no /run', () => {
    expect(outcome('hosts of the image')).toMatchObject({ stdout: '0\n0\n', checked: 'own\n', changes: [] })
  })

  test('run() says why it could not start a process', () => {
    expect(outcome('missing source')).toMatchObject({ code: 'ERR_OSSB_EXECUTOR' })
    expect(outcome('missing source').error).toMatch(/nowhere.*No such file or directory/i)
  })

  test('run() throws the reason of an abort when the process has ended', () => {
    expect(outcome('abort')).toMatchObject({ error: 'enough', checked: 'ended\n' })
    expect(outcome('abort of what does not listen')).toMatchObject({ error: 'enough' })
    expect(outcome('abort of what does not listen').milliseconds).toBeLessThan(4500)
    expect(commandLines().filter((line) => line.includes(SLEEP))).toEqual([])
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
