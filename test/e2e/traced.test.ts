import { expect, test } from 'vitest'
import { differentialBase } from '../support/base-image.ts'
import { canRunContainers, startDocker } from '../support/container.ts'
import { identities } from '../support/identity.ts'
import { readProgress } from '../support/progress.ts'
import { readOciArchive } from '../support/read-archive.ts'
import { createWorkspace, type Workspace } from '../support/workspace.ts'

const base = await differentialBase()
const user = (await identities()).find(({ name }) => name === 'ordinary user')
if (user === undefined) throw new Error('there is no ordinary user')

/** What a tracer has to answer: owners, modes, links, users, mounts, programs with loaders and scripts. */
const dockerfile = (token: string): string => `FROM oci-layout://${base}:base
SHELL ["/bin/sh", "-euc"]
RUN mkdir -p /opt/a/b; echo x >/opt/a/f; ln /opt/a/f /opt/a/hard; ln -s f /opt/a/link; chown -R app:staff /opt/a; chown -h 5:6 /opt/a/link
RUN mkfifo /opt/p; chown 7:8 /opt/p; mkdir -m 0 /opt/dark; touch /opt/dark/f; umask 0277; echo y >/opt/shut; echo z >>/opt/shut
RUN cp /bin/busybox /opt/suid; chown 9:10 /opt/suid; chmod 6711 /opt/suid; cp /opt/suid /opt/lost; chmod 4755 /opt/lost; chown app /opt/lost
RUN cp /bin/busybox /opt/cap; setcap cap_net_raw+ep /opt/cap; mkdir /opt/g; chgrp staff /opt/g; chmod 2775 /opt/g; touch /opt/g/f; mkdir /opt/g/d; mkdir -m 775 /srv/own; chown app:staff /srv/own
RUN cp -a /opt /copy; tar -C /opt -cf /t.tar a dark; mkdir /out; tar -C /out -xpf /t.tar; rm /t.tar; mv /out/a /out/c; stat -c '%n %u:%g %a' /copy/*  /copy/a/* >/list
RUN printf '#!/bin/sh -e\\necho "$0 $*" >/said\\n' >/script; chmod 755 /script; cd /opt; /script 1 '2 3'; pwd >>/said; cd a/b; cd ../..; pwd >>/said
RUN readlink /proc/self/exe >/seen; cat /proc/self/root/script >>/seen; cat <<X >>/seen
here
X
RUN --mount=type=bind,source=made,target=/bound --mount=type=cache,target=/cache,uid=5,mode=0700 --mount=type=tmpfs,target=/scratch \\
  --mount=type=secret,id=s,target=/run/s/t,uid=6 --mount=type=ssh,target=/run/agent,required=false \\
  cp /bound/f /kept; cat /run/s/t >>/kept; stat -c %u:%a /cache /run/s/t >>/kept; touch /cache/f /scratch/f; ! touch /bound/f 2>/dev/null
RUN i=0; mkdir /many; while [ $i -lt 300 ]; do echo $i >/many/$i; i=$((i+1)); done; rm /many/1*; hostname >/name; id -u >>/name
RUN sleep ${token} & busybox setsid sleep ${token} & echo started
WORKDIR /srv/work/deep
USER app
RUN cd /srv/own; id -un >who; mkdir d; ln -s x l; chown root who 2>/dev/null && exit 9; cat /etc/hosts /etc/resolv.conf >/dev/null
`

/** What must fail, each on a line with what is then said; the parent of the first process is the builder's. */
const HOSTILE = (path: string) => `FROM oci-layout://${base}:base
RUN --network=none kill -9 $PPID; kill -9 -1; cat /proc/$PPID/environ /proc/1/environ; \\
  ln -s ../../../../../../..${path} /up; ls /up ${path} /proc/self/cwd/../../../..${path}; \\
  busybox nc 127.0.0.1 1; busybox mount -t tmpfs x /opt; busybox chroot /srv true; echo done
`

async function prepare(workspace: Workspace): Promise<void> {
  await workspace.write({
    'app/Dockerfile': dockerfile(workspace.token),
    'app/made/f': 'bound\n',
    'secret.txt': 'hidden\n',
  })
}

function argumentsOf(workspace: Workspace): readonly string[] {
  const secret = `id=s,src=${workspace.file('secret.txt')}`
  const output = `type=oci,dest=${workspace.file('out.tar')},rewrite-timestamp=true`
  const epoch = ['--build-arg', 'SOURCE_DATE_EPOCH=1700000000']
  return ['build', ...epoch, '--progress', 'plain', '--secret', secret, '-o', output, workspace.file('app')]
}

async function diffIdsOf(workspace: Workspace): Promise<readonly string[]> {
  return (await readOciArchive(workspace.file('out.tar'))).config.rootfs.diff_ids
}

test('a traced build gives the image that one in namespaces gives', async () => {
  await using real = await createWorkspace(user)
  await using traced = await createWorkspace(user)
  for (const workspace of [real, traced]) await prepare(workspace)
  await real.mustOssb(argumentsOf(real))
  await traced.mustOssb(argumentsOf(traced), { env: { OSSB_EXECUTOR: 'traced' } })
  expect(await diffIdsOf(traced)).toEqual(await diffIdsOf(real))
  expect(await traced.leftovers()).toEqual([])

  await using docker = canRunContainers ? await startDocker() : undefined
  if (docker === undefined) return
  const inside = { ...user, uid: 1000, gid: 1000 }
  await using contained = await createWorkspace(inside)
  await prepare(contained)
  const options = {
    user: '1000',
    volumes: [contained.path, base],
    env: { HOME: contained.file('home'), TMPDIR: contained.file('tmp') },
    options: ['--cap-drop=ALL', '--security-opt=no-new-privileges', '--read-only', '--shm-size=64m'],
  } as const
  const report = JSON.parse((await docker.mustOssb(['doctor', '--format', 'json'], options)).stdout)
  expect(report.chosen).toBe('traced')
  expect(report.executors.find(({ name }: { name: string }) => name === 'rootless').reason).toMatch(
    /unshare user namespace: EPERM/,
  )
  await docker.mustOssb(argumentsOf(contained), options)
  expect(await diffIdsOf(contained)).toEqual(await diffIdsOf(real))
})

test('a traced RUN reaches no process, file or network that is not its own', async () => {
  await using workspace = await createWorkspace(user)
  await workspace.write({ 'app/Dockerfile': HOSTILE(workspace.path) })
  const { stderr } = await workspace.mustOssb(['build', '--progress', 'json', 'app'], {
    env: { OSSB_EXECUTOR: 'traced', API_TOKEN: 'hunter2' },
  })
  const { output } = readProgress(stderr)
  expect(stderr).not.toContain('hunter2')
  expect(output.filter((line) => /No such (process|file)/.test(line))).toHaveLength(7)
  expect(output.join('\n')).toMatch(/nc: .*Network is unreachable/)
  expect(output.join('\n')).toMatch(/mount: permission denied/)
  expect(output.join('\n')).toMatch(/chroot: .*not permitted/)
  expect(output.at(-1)).toBe('done')
})
