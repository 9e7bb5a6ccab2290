import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openFileSession, walkTree } from '../../../src/native/index.ts'
import { IDLE, makeRoot, oneIdEnvironment, openDirectory, run } from './environment.ts'
import { ownerCalls, program } from './machine-code.ts'

const one = oneIdEnvironment()

/** `type uid:gid mode [major:minor]` by path, as a walk sees it. */
async function ownersIn(root: string): Promise<ReadonlyMap<string, string>> {
  const owners = new Map<string, string>()
  for await (const entries of walkTree(one.helper, root, IDLE))
    for (const { path, type, uid, gid, mode, rdevMajor, rdevMinor } of entries)
      owners.set(
        path,
        `${type} ${uid}:${gid} ${mode.toString(8)}${type === 'character' || type === 'block' ? ` ${rdevMajor}:${rdevMinor}` : ''}`,
      )
  return owners
}

/** Runs a script and answers what is in /tmp afterwards. */
async function after(script: string, options: Parameters<typeof run>[3] = {}, root = makeRoot(one)) {
  const { exitCode, stdout, stderr } = await run(one, root, script, options)
  const owners = [...(await ownersIn(root))].filter(([path]) => path.startsWith('tmp/'))
  return {
    exitCode,
    stdout,
    stderr,
    tmp: Object.fromEntries(owners.map(([path, is]) => [path.slice(4), is])),
  }
}

describe('owners in a run that has one id', () => {
  test('are recorded for files, directories, links and fifos', async () => {
    const { exitCode, stderr, tmp } = await after(`cd /tmp
      touch file; chown 1000:1001 file; chown 1002 file
      mkdir directory; chgrp 50 directory
      ln -s file link; chown -h 5:6 link; chown 1003:1001 link
      mkfifo fifo; chown 8:9 fifo`)
    expect(stderr).toBe('')
    expect(exitCode).toBe(0)
    expect(tmp).toEqual({
      file: 'file 1003:1001 644',
      directory: 'directory 0:50 755',
      link: 'symlink 5:6 777',
      fifo: 'fifo 8:9 644',
    })
  })

  test('are recorded for files that are made with their owner', async () => {
    const root = makeRoot(one)
    const path = join(root, 'tmp/made')
    await using session = openFileSession(one.helper)
    const content = Buffer.from('x')
    await session.batch([{ type: 'create', path, mode: 0o4440, uid: 7, gid: 8, mtimeNs: 1n, content }], IDLE)
    expect((await ownersIn(root)).get('tmp/made')).toBe('file 7:8 4440')
  })

  test('go where the file goes, and end with it', async () => {
    const { tmp } = await after(`cd /tmp; mkdir d
      for n in a b c; do touch $n; chown 7:8 $n; done
      ln -s a l; chown -h 7:8 l; touch -h -d 2001-01-01 l
      mv a d/a; mv l d/l; ln b hard; cp -a c copy; cp -a d/l linkcopy
      rm b c; touch b c; ln -sf x d/l2`)
    expect(tmp).toEqual({
      b: 'file 0:0 644',
      c: 'file 0:0 644',
      copy: 'file 7:8 644',
      d: 'directory 0:0 755',
      'd/a': 'file 7:8 644',
      'd/l': 'symlink 7:8 777',
      'd/l2': 'symlink 0:0 777',
      hard: 'file 7:8 644',
      linkcopy: 'symlink 7:8 777',
    })
  })

  test('are what stat tells, and no time of a link tells of them', async () => {
    const { stdout } = await after(`cd /tmp; touch f n; ln -s f l; chown 7:8 f; chown -h 9:10 l
      stat -c '%n %u:%g' f n l; stat -L -c '%u:%g' l; stat -c %x l | cut -c 1-2; find . -user 7`)
    expect(stdout.split('\n')).toEqual(['f 7:8', 'n 0:0', 'l 9:10', '7:8', '20', './f', ''])
  })

  test('take set-id bits and capabilities away, as chown does', async () => {
    const root = makeRoot(one)
    await using session = openFileSession(one.helper)
    one.shell(root, 'touch tmp/capable')
    const value = Buffer.from('0100000200200000000000000000000000000000', 'hex')
    const path = join(root, 'tmp/capable')
    await session.batch([{ type: 'setxattr', path, name: 'security.capability', value }], IDLE)
    const { tmp } = await after('cd /tmp; touch f; chmod 6755 f; chown 7 f; chown 7 capable', {}, root)
    expect(tmp).toEqual({ f: 'file 7:0 755', capable: 'file 7:0 644' })
    const gone = { type: 'getxattr', path, name: 'security.capability', optional: true } as const
    expect(await session.batch([gone], IDLE)).toMatchObject([{ ok: false, code: 'ENODATA' }])
  })

  test('follow the group of a directory with the set-group-id bit', async () => {
    const { tmp } = await after(
      'cd /tmp; mkdir d; chown 0:50 d; chmod 2775 d; touch d/f; mkdir d/e; chown 9 d/f',
    )
    expect(tmp).toEqual({ d: 'directory 0:50 2775', 'd/f': 'file 9:50 644', 'd/e': 'directory 0:50 2755' })
  })

  test('devices are recorded, with an empty file in their place', async () => {
    const { tmp, stdout } = await after(
      'cd /tmp; umask 027; mknod c c 1 3; mknod -m 600 b b 8 1; chown 3:4 c; stat -c %F c; mknod c c 1 3 2>&1 | tail -c 12',
    )
    expect(tmp).toEqual({ c: 'character 3:4 640 1:3', b: 'block 0:0 600 8:1' })
    expect(stdout).toBe('character special file\nFile exists\n')
  })

  test('paths are those of the process: its own descriptors, directory and root', async () => {
    const { exitCode, stderr, tmp } = await after(`cd /tmp; mkdir -p jail/in/bin; touch jail/in/f
      cp /bin/busybox jail/in/bin/
      chown 9 /dev/stdout /proc/self/fd/1; ln -s /dev/stdout out; chown 9 out
      exec 5<jail/in/f; chown 10 /proc/self/fd/5 /dev/fd/5; rm jail/in/f; touch jail/in/f
      chroot jail/in /bin/busybox chown 4:4 /../f; cd jail && chown 5:5 in/../../jail/in`)
    expect(stderr).toBe('')
    expect(exitCode).toBe(0)
    expect(tmp['jail/in/f']).toBe('file 4:4 644')
    expect(tmp['jail/in']).toBe('directory 5:5 755')
  })

  test('what the kernel refuses is refused', async () => {
    const { stderr } = await after(
      `cd /tmp; chown 1 nothing; chown 1 /proc/version; ln -s loop loop; chown 1 loop; chown 1 ${'x'.repeat(300)} `,
    )
    const lines = stderr.trim().split('\n')
    expect(lines.map((line) => line.slice(line.lastIndexOf(': ') + 2))).toEqual([
      'No such file or directory',
      expect.stringMatching(/not permitted|Read-only/),
      expect.stringMatching(/symbolic links/),
      'File name too long',
    ])
  })

  test('ids can be set, and stay what they are', async () => {
    const { exitCode, stdout } = await after('su -s /bin/sh -c "id -u" app')
    expect(stdout).toBe('0\n')
    expect(exitCode).toBe(0)
  })
})

test('owners are recorded without the sandbox, too', async () => {
  const script = 'cd /tmp; touch f; chown 7:8 f; grep NoNewPrivs /proc/self/status'
  const { stdout, tmp } = await after(script, { security: 'insecure' })
  expect(stdout).toBe('NoNewPrivs:\t0\n')
  expect(tmp).toEqual({ f: 'file 7:8 644' })
})

test('a run keeps the capabilities of any other, whatever it sets', async () => {
  const { stdout } = await after('grep -E "^Cap(Eff|Bnd)" /proc/self/status')
  expect(stdout).toBe('CapEff:\t00000000a80425fb\nCapBnd:\t00000000a80425fb\n')
})

describe('a run of another user that has one id', () => {
  const user = { uid: 1000, gid: 1000, groups: [1000, 2000] }

  test('sees itself as that user and owns what it makes', async () => {
    const root = makeRoot(one)
    await after('cd /tmp; touch roots; mkdir own; chown 1000:1000 own', {}, root)
    const { stdout, tmp } = await after(
      'id -u; id -g; cd /tmp/own; touch f; mkdir d; ln -s f l; stat -c %u f /tmp/roots',
      user,
      root,
    )
    expect(stdout).toBe('1000\n1000\n1000\n0\n')
    expect(tmp).toEqual({
      roots: 'file 0:0 644',
      own: 'directory 1000:1000 755',
      'own/f': 'file 1000:1000 644',
      'own/d': 'directory 1000:1000 755',
      'own/l': 'symlink 1000:1000 777',
    })
  })

  test('may give its files to its groups, and to nobody else', async () => {
    const root = makeRoot(one)
    await after('cd /tmp; touch roots', {}, root)
    const { stdout, tmp } = await after(
      `cd /tmp; touch f; chgrp 2000 f && echo group; chown 0 f 2>/dev/null || echo owner
       chgrp 3000 f 2>/dev/null || echo other; chgrp 2000 roots 2>/dev/null || echo roots
       mknod n c 1 3 2>/dev/null || echo node`,
      user,
      root,
    )
    expect(stdout).toBe('group\nowner\nother\nroots\nnode\n')
    expect(tmp).toEqual({ f: 'file 1000:2000 644', roots: 'file 0:0 644' })
  })
})

describe.each(ownerCalls('/tmp/f'))('the call $name', ({ code, error }) => {
  test('is answered like every other', async () => {
    const root = makeRoot(one)
    const built = join(openDirectory(), 'call')
    writeFileSync(built, program(code), { mode: 0o755 })
    one.shell(root, `cp ${built} bin/call`)
    const { exitCode, tmp } = await after('touch /tmp/f; /bin/call 3</tmp/f', {}, root)
    expect(exitCode).toBe(error)
    expect(tmp).toEqual({ f: error === 0 ? 'file 7:8 644' : 'file 0:0 644' })
  })
})

test('apt is kept from becoming another user, and nothing of that stays', async () => {
  const root = makeRoot(one)
  one.shell(root, 'mkdir -p etc/apt/apt.conf.d; touch -d 2001-01-01 etc/apt/apt.conf.d')
  const { stdout } = await run(one, root, 'cat /etc/apt/apt.conf.d/*')
  expect(stdout).toBe('APT::Sandbox::User "root";\n')
  expect(one.shell(root, 'ls etc/apt/apt.conf.d; stat -c %Y etc/apt/apt.conf.d')).toMatch(/^978\d+\n$/)
})

test('a supervised run stays within few descriptors, also when its own are used up', async () => {
  const { exitCode, stderr } = await after(
    'cd /tmp; ulimit -n 16; i=0; while [ $i -lt 300 ]; do touch f$i; i=$((i+1)); done; chown 7:8 f*; chown 9 f*',
  )
  expect(stderr).toBe('')
  expect(exitCode).toBe(0)
})
