import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  type Environment,
  environments,
  makeRoot,
  oneIdEnvironment,
  openDirectory,
  run,
} from './environment.ts'
import { HOST_SOCKETS, NAMESPACE_ATTEMPTS, program } from './machine-code.ts'

/** A directory outside of every root, with one file that must stay as it is and alone. */
function canary(): { readonly directory: string; intact(): boolean } {
  const directory = openDirectory()
  writeFileSync(join(directory, 'canary'), 'alive')
  return {
    directory,
    intact: () =>
      readdirSync(directory).join() === 'canary' &&
      readFileSync(join(directory, 'canary'), 'utf8') === 'alive',
  }
}

const HOSTS = { type: 'bind', source: '/etc/hostname', target: '/etc/resolv.conf', readonly: true } as const

function tree(environment: Environment, root: string): string {
  return environment.shell(root, `find . -path ./bin/\\* -prune -o -printf '%p %y %l %T@\\n' | sort`)
}

describe.each([...environments(), oneIdEnvironment()])('a hostile image as $name', (environment) => {
  test.each(['/proc', '/dev', '/sys'])('with a symbolic link for %s is refused', async (path) => {
    const outside = canary()
    for (const target of ['/etc', outside.directory, `../../../../../..${outside.directory}`]) {
      const root = makeRoot(environment)
      environment.shell(root, `ln -s ${target} .${path}`)
      await expect(run(environment, root, 'true')).rejects.toThrow(
        `use a path of the image that must be a directory "${path}": ${readableReason('ELOOP')}`,
      )
    }
    expect(outside.intact()).toBe(true)
  })

  test('with a file for /proc is refused', async () => {
    const root = makeRoot(environment)
    environment.shell(root, 'touch proc')
    await expect(run(environment, root, 'true')).rejects.toThrow('"/proc": Not a directory')
  })

  test.each([
    ['an absolute link', /^[^\n]+\n$/, (outside: string) => `${outside}/canary`],
    [
      'a link with many ".."',
      /^[^\n]+\n$/,
      (outside: string) => `../../../../../../../../../..${outside}/canary`,
    ],
    ['a link to what does not exist', /^[^\n]+\n$/, () => '/run/systemd/resolve/stub-resolv.conf'],
    ['a link into /proc', /^refused$/, () => '/proc/self/fd/4'],
    ['a link through the root of process 1', /^$/, (outside: string) => `/proc/1/root${outside}/canary`],
  ])(
    'with %s for /etc/resolv.conf gets it inside its root, and nothing stays',
    async (_what, expected, link) => {
      const outside = canary()
      const root = makeRoot(environment)
      environment.shell(root, `ln -s ${link(outside.directory)} etc/resolv.conf; touch -d 2001-01-01 etc`)
      const before = tree(environment, root)
      const outcome = await run(environment, root, 'cat /etc/resolv.conf', { mounts: [HOSTS] }).catch(
        (error: unknown) => String(error),
      )
      expect(typeof outcome === 'string' ? 'refused' : outcome.stdout).toMatch(expected)
      expect(tree(environment, root)).toBe(before)
      expect(outside.intact()).toBe(true)
    },
  )

  test('with a loop of links, or a directory, for /etc/resolv.conf is refused by name', async () => {
    const root = makeRoot(environment)
    environment.shell(root, 'ln -s resolv.conf etc/resolv.conf')
    const attempt = run(environment, root, 'true', { mounts: [HOSTS] })
    await expect(attempt).rejects.toThrow('find mount point "/etc/resolv.conf": ')
    environment.shell(root, 'rm etc/resolv.conf; mkdir etc/resolv.conf')
    await expect(run(environment, root, 'true', { mounts: [HOSTS] })).rejects.toThrow('Is a directory')
  })

  test('with a link for the directory of a mount or of the process stays in its root', async () => {
    const outside = canary()
    const root = makeRoot(environment)
    environment.shell(root, `ln -s ${outside.directory} run; ln -s ${outside.directory}/deep work`)
    const secret = { ...HOSTS, target: '/run/secrets/token' }
    const outcome = await run(environment, root, 'pwd; cat /run/secrets/token >/dev/null && echo read', {
      mounts: [secret],
      cwd: '/work',
    })
    expect(outcome.stdout).toBe(`${outside.directory}/deep\nread\n`)
    expect(outside.intact()).toBe(true)
  })
})

describe.each([...environments(), oneIdEnvironment()])('a hostile process as $name', (environment) => {
  const root = makeRoot(environment)

  test('does not get out by chroot, /proc/1/root or the descriptors of process 1', async () => {
    const outcome = await run(
      environment,
      root,
      `mkdir -p /tmp/jail/bin; cp /bin/busybox /tmp/jail/bin/sh
       ls -d /proc/1/root/home /proc/1/cwd/home 2>&1 | grep -c "No such\\|denied"
       readlink /proc/1/fd/* /proc/1/exe || echo hidden; cat /proc/1/environ 2>&1 | grep -c denied
       for pid in /proc/[0-9]*; do ls $pid/root/; done | sort -u | tr '\\n' ' '`,
    )
    expect(outcome.stdout).toBe('2\nhidden\n1\nbin dev etc proc sys tmp ')
  })

  test.each(['sandbox', 'insecure'] as const)(
    'can not change the program that started it (%s)',
    async (security) => {
      const before = statSync(environment.program, { bigint: true })
      const script = `chmod 4711 /proc/1/exe; chown 7:7 /proc/1/exe; touch /proc/1/exe; ls /proc/1/ >/dev/null && echo there`
      const outcome = await run(environment, makeRoot(environment), script, { security })
      expect(outcome.stdout).toBe('there\n')
      const after = statSync(environment.program, { bigint: true })
      expect([after.ctimeNs, after.mtimeNs, after.mode]).toEqual([
        before.ctimeNs,
        before.mtimeNs,
        before.mode,
      ])
    },
  )

  test('can not lead the clean-up away by moving the directories of mount points', async () => {
    const outside = canary()
    const fresh = makeRoot(environment)
    await run(
      environment,
      fresh,
      `mv /run /old; ln -s ${outside.directory} /run; mv /srv /run2; mkdir /srv; touch /srv/file`,
      {
        mounts: [
          { ...HOSTS, target: '/run/canary' },
          { ...HOSTS, target: '/srv/file' },
        ],
      },
    )
    expect(outside.intact()).toBe(true)
    expect(environment.shell(fresh, `find old run2 srv | sort | tr '\\n' ' '`)).toBe('old run2 srv srv/file ')
  })

  test('can not hide what it wrote in a mount point of ours', async () => {
    const fresh = makeRoot(environment)
    const source = environment.directory()
    await run(
      environment,
      fresh,
      'echo kept >/data/file; echo kept >/data-2; mv /etc/passwd /etc/group /tmp',
      {
        mounts: [{ type: 'bind', source, target: '/data', readonly: false }],
      },
    )
    expect(environment.shell(fresh, `ls; cat data-2; ls tmp`)).toBe(
      'bin\ndata-2\netc\ntmp\nkept\ngroup\npasswd\n',
    )
    expect(readdirSync(source)).toEqual(['file'])
  })

  test.each(NAMESPACE_ATTEMPTS)(
    'can not make a user namespace by $convention calls',
    async ({ code, refusal }) => {
      const fresh = makeRoot(environment)
      environment.shell(fresh, `printf '${octal(program(code))}' >attempt; chmod 755 attempt`)
      const allowed = await run(environment, fresh, ['/attempt'], { security: 'insecure' })
      const refused = await run(environment, fresh, ['/attempt'])
      expect(refused.exitCode).toBe(constants.errno[refusal])
      expect([0, constants.errno.ENOSYS]).toContain(allowed.exitCode)
    },
  )

  test.each(HOST_SOCKETS)(
    'can not talk to the host of a virtual machine by $convention calls',
    async ({ code }) => {
      const fresh = makeRoot(environment)
      environment.shell(fresh, `printf '${octal(program(code))}' >attempt; chmod 755 attempt`)
      const allowed = await run(environment, fresh, ['/attempt'], { security: 'insecure' })
      const refused = await run(environment, fresh, ['/attempt'])
      expect(refused.exitCode).toBe(constants.errno.EPERM)
      expect(allowed.exitCode).not.toBe(constants.errno.EPERM)
    },
  )
})

function octal(bytes: Buffer): string {
  return [...bytes].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('')
}

function readableReason(name: 'ELOOP'): string {
  return { ELOOP: 'Symbolic link loop' }[name]
}
