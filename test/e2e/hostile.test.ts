import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { describe, expect, test } from 'vitest'
import { miniBase } from '../support/base-image.ts'
import { mustRun } from '../support/command.ts'
import { hostileImage } from '../support/hostile-image.ts'
import { type Rung, rungs } from '../support/rungs.ts'
import { createWorkspace, type Workspace } from '../support/workspace.ts'

const base = await miniBase()
const SECRET = 'hunter2-from-outside'
/** Matches the secret and not itself, so that who looks for it does not find himself. */
const PATTERN = '[h]unter2-from-outside'

/**
 * Each attack that works says "GOT name". The build itself is to go on: what is asked of the outside is asked there.
 * `outside` is a directory of whoever builds, `token` marks the processes that try to stay.
 */
const attacks = (outside: string, token: string): string => `
got() { echo "GOT $1"; }
readable() { [ "$(head -c 1 "$1" 2>/dev/null | wc -c)" = 1 ]; }
secret='${PATTERN}'

# What the builder knows: its environment, arguments, files, memory, descriptors.
cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline /proc/[0-9]*/task/*/environ 2>/dev/null | grep -q $secret && got environment
for fd in /proc/[0-9]*/fd/*; do timeout 1 cat $fd </dev/null 2>/dev/null | head -c 100000 | grep -q $secret && got descriptors; done
for fd in /proc/self/fd/*; do case $(readlink $fd) in /dev/null|pipe:*|/proc/*/fd|'') ;; *) got descriptor-$fd;; esac; done
find / -xdev -type f -size -1000k 2>/dev/null | xargs grep -l $secret 2>/dev/null | grep -q . && got files
for p in /proc/[0-9]*; do grep -q ossb.js $p/cmdline 2>/dev/null && got processes; readable $p/mem && got memory; done
readable /dev/mem && got memory
cat ${outside}/canary >/dev/null 2>&1 && got canary
for p in /proc/[0-9]*; do for l in root cwd; do cat $p/$l/${outside}/canary >/dev/null 2>&1 && got canary-by-$l; done; done

# Files outside, by links, by other processes' roots, by hard links.
mkdir -p /tmp/a; ln -s ${outside} /tmp/a/out; ln -s ../../../../../../../..${outside} /tmp/a/up
for d in /tmp/a/out /tmp/a/up /proc/1/root/${outside} /proc/1/cwd/${outside} /proc/self/root/../..${outside}; do
  echo x >$d/written 2>/dev/null; rm -rf $d/canary 2>/dev/null
done
ln /proc/1/exe /tmp/exe 2>/dev/null && got hard-link
chown 7:7 /proc/1/exe 2>/dev/null; chmod 4755 /proc/1/exe 2>/dev/null; cp /bin/busybox /proc/1/exe 2>/dev/null

# The kernel of the machine.
for f in /proc/sys/kernel/core_pattern /proc/sys/kernel/hostname /sys/kernel/uevent_helper /proc/sys/vm/drop_caches /proc/sysrq-trigger; do
  { true >>$f; } 2>/dev/null && got write-$f
done
mkdir /sys/fs/cgroup/ossb-evil /sys/fs/cgroup/*/ossb-evil 2>/dev/null && got cgroup
hostname ossb-evil 2>/dev/null && got hostname
ip link add ossb-evil type dummy 2>/dev/null && got network-device
dmesg >/dev/null 2>&1 && got kernel-log
for f in /proc/kcore /proc/keys /proc/timer_list /sys/firmware/*; do readable $f && got read-$f; done

# Mounts and namespaces.
mkdir -p /tmp/m
for t in proc sysfs tmpfs devtmpfs cgroup2 debugfs; do mount -t $t none /tmp/m 2>/dev/null && got mount-$t; done
mount -o bind / /tmp/m 2>/dev/null && got bind; mount -o remount,rw /proc/sys 2>/dev/null && got remount
umount /proc/acpi /proc/keys /proc/sys /sys 2>/dev/null && got umount
for n in -m -r -U -p -n -i -u; do unshare $n true 2>/dev/null && got unshare$n; done
nsenter -t 1 -m true 2>/dev/null && got nsenter

# Devices: all disks of the machine, its memory, a terminal.
while read -r major minor _ name; do
  case $major in [0-9]*) mknod -m 666 /tmp/$name b $major $minor 2>/dev/null; readable /tmp/$name && got disk-$name;; esac
done </proc/partitions
mknod -m 666 /tmp/mem c 1 1 2>/dev/null; readable /tmp/mem && got mem-device
{ true >/dev/tty; } 2>/dev/null && got terminal
rm -rf /tmp/* 2>/dev/null

# More than what there is.
dd if=/dev/zero of=/dev/shm/fill bs=1M count=80 2>/dev/null && got shm
dd if=/dev/zero of=/dev/fill bs=1M count=80 2>/dev/null && got dev
rm -f /dev/shm/fill /dev/fill

# Output that a terminal would obey.
printf '\\033]0;title\\007\\033[2J\\033]52;c;aGVsbG8=\\007\\n'

# To be there after the step, and to end who is outside.
for how in '' setsid 'setsid setsid'; do $how sh -c 'trap "" TERM HUP INT; exec >/dev/null 2>&1; sleep ${token}' & done
kill -9 1 2>/dev/null; kill -STOP 1 2>/dev/null; kill -TERM 1 2>/dev/null; kill -USR1 1 2>/dev/null
own=$$; n=2; while [ $n -lt 3000 ]; do [ $n = $own ] || kill -0 $n 2>/dev/null && grep -q 'node\\|ossb' /proc/$n/cmdline 2>/dev/null && got signal; n=$((n+1)); done
for how in '' setsid; do $how sleep ${token} & done
echo SURVIVED
`

/** Everything in a directory, with what would change if somebody changed it. */
function listing(directory: string): Promise<string> {
  return mustRun('find', [directory, '-printf', '%p %y %m %U:%G %s %T@ %C@ %l\\n'])
}

async function makeOutside(workspace: Workspace): Promise<string> {
  await workspace.fill('outside', async (directory) => {
    const script = `cd "$1"; echo ${SECRET} >canary; chmod 600 canary; mkdir sub; echo alive >sub/file; ln -s sub link`
    await mustRun('sh', ['-euc', script, 'sh', directory])
  })
  return workspace.file('outside')
}

/** Starts a build as somebody would who has secrets in the environment, in a configuration, and in an open file. */
async function build(rung: Rung, workspace: Workspace, args: readonly string[]) {
  await workspace.write({
    'docker/config.json': JSON.stringify({ auths: { 'r.example': { auth: SECRET } } }),
  })
  const env = { API_TOKEN: SECRET, DOCKER_CONFIG: workspace.file('docker') }
  return await rung.start(workspace, ['build', '--progress', 'plain', ...args], { env }).done
}

const said = (stderr: string, pattern: RegExp): readonly string[] =>
  [...stderr.matchAll(pattern)].map((match) => match[1] ?? '')

describe.each(await rungs())('on $name', (rung) => {
  test('a hostile Dockerfile gets, changes and keeps nothing outside of its steps', async () => {
    await using workspace = await createWorkspace(rung.identity)
    const outside = await makeOutside(workspace)
    await workspace.write({
      'app/Dockerfile': `FROM oci-layout://${base}:base\nCOPY attack /\nRUN sh /attack\nRUN test ! -e /tmp/a && echo NEXT\n`,
      'app/attack': attacks(outside, workspace.token),
    })
    const program = await listing(rung.identity.program)
    const [before, pattern] = [await listing(outside), await readFile('/proc/sys/kernel/core_pattern')]
    const { status, stderr } = await build(rung, workspace, ['-o', 'type=tar,dest=out.tar', 'app'])
    expect(said(stderr, /^#\d+ [\d.]+ GOT (.*)$/gm)).toEqual(rung.weaknesses)
    expect(said(stderr, /^#\d+ [\d.]+ (SURVIVED|NEXT)$/gm), stderr).toEqual(['SURVIVED', 'NEXT'])
    expect(status).toBe(0)
    expect(stderr).not.toContain(SECRET)
    expect(stderr).not.toMatch(/\u001b|\u0007/)
    expect(await listing(outside)).toBe(before)
    expect(await listing(rung.identity.program)).toBe(program)
    expect(await readFile('/proc/sys/kernel/core_pattern')).toEqual(pattern)
    expect(hostname()).not.toBe('ossb-evil')
    expect(await workspace.leftovers()).toEqual([])
  })

  test('a hostile base image leads no instruction out of its root', async () => {
    await using workspace = await createWorkspace(rung.identity)
    const outside = await makeOutside(workspace)
    await workspace.fill('image', (directory) => hostileImage(base, directory, outside))
    await workspace.write({
      'app/Dockerfile': `FROM oci-layout://${workspace.file('image')}:base
COPY --chown=who:who file /drop/file
COPY file /etc/shadow-link
ADD file /up/added
WORKDIR /work/deep
RUN --mount=type=secret,id=s,target=/run/s --mount=type=cache,target=/drop/cache --mount=type=tmpfs,target=/up/memory \\
  echo in >/drop/in; echo up >/up/in; cat /etc/hosts /etc/resolv.conf >/dev/null && [ "$(cat /image-* 2>/dev/null | head -c 1 | wc -c)" = 1 ] && echo GOT device; echo SURVIVED
FROM scratch
COPY --from=0 /drop /taken
`,
      'app/file': 'text',
      secret: 'kept',
    })
    const before = await listing(outside)
    const args = ['--secret', `id=s,src=${workspace.file('secret')}`, '-o', 'type=tar,dest=out.tar', 'app']
    const { status, stderr } = await build(rung, workspace, args)
    expect(await listing(outside)).toBe(before)
    expect(said(stderr, /^#\d+ [\d.]+ (GOT.*|SURVIVED)$/gm), stderr).toEqual(['SURVIVED'])
    expect(status).toBe(0)
    const taken = await mustRun('tar', ['-tf', workspace.file('out.tar')])
    expect(taken).not.toContain('canary')
    expect(await workspace.leftovers()).toEqual([])
  })

  test('what images and steps hold is out of reach of other users, whose directory the cache ever is in', async () => {
    await using workspace = await createWorkspace(rung.identity)
    await workspace.fill('cache', async (directory) => void (await mustRun('chmod', ['755', directory])))
    await workspace.write({
      'app/Dockerfile': `FROM oci-layout://${base}:base
RUN --mount=type=cache,target=/c cp /bin/busybox /c/suid; chmod 4755 /c/suid; cp -p /c/suid /suid
`,
    })
    const { status } = await build(rung, workspace, ['--cache-dir', workspace.file('cache'), 'app'])
    expect(status).toBe(0)
    const modes = await mustRun('sh', [
      '-c',
      'cd "$1"; stat -c "%n %a" work mounts snapshots',
      'sh',
      workspace.file('cache'),
    ])
    expect(modes).toBe('work 700\nmounts 700\nsnapshots 700\n')
  })
})
