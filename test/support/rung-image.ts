import { createServer } from 'node:net'
import { distributionBase } from './base-image.ts'
import { mustRun } from './command.ts'
import { readOciArchive } from './read-archive.ts'
import type { Workspace } from './workspace.ts'

/**
 * One Dockerfile with all that isolation has to do with. What steps see of their surroundings they write into the
 * image: the same image means that they saw the same.
 */
const dockerfile = (token: string): string => `SHELL ["/bin/sh", "-euc"]
RUN --mount=type=bind,source=debs,target=/debs \\
  groupadd -g 2000 extra; useradd -m -u 1500 -G extra app; apt-get install -y /debs/tool.deb /debs/owned.deb; \\
  rm -rf /var/log/* /var/cache/* /var/lib/apt/lists/* /etc/*-
RUN mkdir /opt/a /opt/a/closed; echo a >/opt/a/f; ln /opt/a/f /opt/a/hard; ln -s f /opt/a/link; echo c >/opt/a/closed/f; \\
  cp /bin/true /opt/a/suid; cp /bin/true /opt/a/cap; cp /bin/true /opt/a/lost; \\
  chown -R app:extra /opt/a; chown -h 55:66 /opt/a/link; chown 77 /opt/a/f; \\
  chmod 4755 /opt/a/suid; setcap cap_net_raw+ep /opt/a/cap; setcap cap_net_raw+ep /opt/a/lost; chown app /opt/a/lost; \\
  mkfifo /opt/a/fifo; chmod 000 /opt/a/closed
RUN sleep ${token} & setsid sleep ${token} </dev/null >/dev/null 2>&1 & su app -c 'sleep ${token} >/dev/null & echo su' >/su
RUN for file in /proc/[0-9]*/comm; do [ "$(cat $file)" != sleep ]; done; \\
  { id; umask; hostname; uname -n; readlink /proc/self/exe; tty || true; wc -c; ls /proc/self/fd | head -n 3; readlink /dev/fd /dev/stdin; \\
  head -c 3 /dev/zero | od -c; ulimit -n; cat /etc/hosts; mountpoint /proc; cat /proc/../etc/debian_version; \\
  bash -c 'cat <(echo substituted) /dev/stdin </proc/self/cwd/opt/a/hard'; (cd /proc/self; cat ../self/comm); \\
  [ "$(cat /proc/self/comm)" = cat ]; ls -d /sys/class; [ ! -e /proc/1/root/etc/ossb ]; env | grep -v ^OLDPWD | sort; } >/seen
RUN --mount=type=cache,id=rung,target=/cache,uid=1500,mode=0700 --mount=type=tmpfs,target=/scratch \\
  --mount=type=bind,source=debs,target=/mnt/debs --mount=type=secret,id=s,uid=1500,required \\
  --mount=type=ssh,required --mount=type=bind,source=writable,target=/writable,rw \\
  touch /scratch/f /cache/kept; echo lost >/writable/f; rm /writable/g; su app -c 'cat /run/secrets/s' >/secret; \\
  stat -c '%n %a %u:%g %F' /cache /scratch /run/secrets/s "$SSH_AUTH_SOCK" /mnt/debs /writable >/mounts; \\
  perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0); connect(S, pack_sockaddr_un($ENV{SSH_AUTH_SOCK})) or die $!'
RUN --mount=type=cache,id=rung,target=/mnt/again [ -e /mnt/again/kept ]; [ ! -e /cache ]; [ ! -e /run/secrets ]; ls -A /mnt >/mnt-names
USER app:extra
WORKDIR /home/app/work
RUN --network=none { id -u; id -g; } >ids; echo mine >f; cat /opt/a/closed/f && exit 9; \\
  perl -MSocket -e 'socket(S, AF_INET, SOCK_STREAM, 0) and connect(S, pack_sockaddr_in(9, inet_aton("192.0.2.1"))) and exit 9; exit 0'
USER root
RUN for i in $(seq 200); do mkdir -p /many/$i; cd /many/$i; seq 100 | xargs touch; done
`

/** Two packages, of which one makes a user and gives it files; made in the working directory. */
const PACKAGES = `mkdir -p owned/DEBIAN owned/usr/lib/owned owned/var/lib/owned tool/DEBIAN tool/usr/bin debs writable
control() { printf 'Package: %s\\nVersion: 1\\nArchitecture: all\\nMaintainer: t <t@example.com>\\nDescription: t\\n' $1 >$1/DEBIAN/control; }
control owned; echo 'Depends: tool' >>owned/DEBIAN/control; control tool
printf '#!/bin/sh\\nset -e\\ngroupadd --system --gid 151 _owned\\nuseradd --system --uid 150 --gid 151 _owned\\n' >owned/DEBIAN/preinst
printf '#!/bin/sh\\nset -e\\ntool\\nchown _owned:_owned /var/lib/owned\\nchgrp _owned /usr/lib/owned/f\\nchmod 2755 /usr/lib/owned/f\\n' >owned/DEBIAN/postinst
printf '#!/bin/sh\\nexec readlink /proc/self/exe >/var/lib/tool\\n' >tool/usr/bin/tool; echo f >owned/usr/lib/owned/f
chmod 755 owned/DEBIAN/preinst owned/DEBIAN/postinst tool/usr/bin/tool
for name in owned tool; do dpkg-deb --root-owner-group --build $name debs/$name.deb >/dev/null; rm -r $name; done
echo f >writable/f; echo g >writable/g; echo secret >../secret`

/** What a rung is given to build, and what came of it. */
export interface RungImage extends AsyncDisposable {
  /** Of `ossb`. */
  readonly args: readonly string[]
  diffIds(): Promise<readonly string[]>
}

/** Puts the Dockerfile, its context, a secret and an agent into a workspace. */
export async function prepareRungImage(workspace: Workspace): Promise<RungImage> {
  const base = await distributionBase()
  await workspace.fill('app', async (directory) => {
    await mustRun('sh', ['-euc', `cd "$1"; umask 022; ${PACKAGES}`, 'sh', directory])
    await mustRun('tee', [`${directory}/Dockerfile`], {
      input: `FROM oci-layout://${base}:base\n${dockerfile(workspace.token)}`,
    })
  })
  const agent = createServer((connection) => connection.end())
  await new Promise<void>((resolve) => agent.listen(workspace.file('agent'), resolve))
  await mustRun('chmod', ['666', workspace.file('agent'), workspace.file('secret')])
  const args = [
    ['build', '--progress=plain', '--build-arg=SOURCE_DATE_EPOCH=1700000000'],
    [`--secret=id=s,src=${workspace.file('secret')}`, `--ssh=default=${workspace.file('agent')}`],
    ['--ulimit=nofile=1024:1024'],
    ['-o', `type=oci,dest=${workspace.file('out.tar')},rewrite-timestamp=true`, workspace.file('app')],
  ]
  return {
    args: args.flat(),
    diffIds: async () => (await readOciArchive(workspace.file('out.tar'))).config.rootfs.diff_ids,
    [Symbol.asyncDispose]: async () => void agent.close(),
  }
}
