import { expect, test } from 'vitest'
import { distributionBase } from '../support/base-image.ts'
import { mustRun } from '../support/command.ts'
import { listTarFile } from '../support/compare-rootfs.ts'
import { type Identity, identities } from '../support/identity.ts'
import { readOciArchive } from '../support/read-archive.ts'
import { canMakeUsers, userWithoutRange } from '../support/user-without-range.ts'
import { createWorkspace } from '../support/workspace.ts'

const base = await distributionBase()
const user = (await identities()).find(({ name }) => name === 'ordinary user')
if (user === undefined) throw new Error('there is no ordinary user')

/** Everything that has to do with owners, as programs of a distribution do it. */
const DOCKERFILE = `FROM oci-layout://${base}:base AS base
SHELL ["/bin/sh", "-euc"]
RUN groupadd -g 2000 extra; useradd -m -u 1500 -G extra app; rm -f /var/log/lastlog /var/log/faillog /etc/*-
RUN mkdir -p /opt/app/sub; echo a >/opt/app/a; echo b >/opt/app/sub/b; ln -s a /opt/app/link; ln /opt/app/a /opt/app/hard
RUN chown -R app:extra /opt/app; chown -h app:extra /opt/app/link; chown 55:66 /opt/app/a
RUN install -o app -g extra -m 4755 /bin/true /opt/app/suid; chown --from=1500 77 /opt/app/sub
RUN cp /bin/true /opt/cap; setcap cap_net_raw+ep /opt/cap; cp /bin/true /opt/lost; setcap cap_net_raw+ep /opt/lost; chown app /opt/lost
RUN mknod /opt/fifo p; chown app:extra /opt/fifo; mv /opt/fifo /opt/app/fifo
RUN mkdir /opt/shared; chown root:extra /opt/shared; chmod 2775 /opt/shared; mkdir /opt/shared/d; echo y >/opt/shared/d/y
COPY --chown=app:extra made /srv/made/
COPY --chmod=4711 made/f /srv/f
ADD --chown=app archive.tar /srv/archive/
WORKDIR /srv/work/deep
RUN cp -a /opt/app /opt/copy; tar -C /opt -cf /tmp/own.tar app; mkdir /opt/out /opt/others; tar -C /opt/out -xpf /tmp/own.tar; rm /tmp/own.tar
RUN tar -C /opt -cf /tmp/t.tar --owner=77 --group=88 app; tar -C /opt/others -xpf /tmp/t.tar; rm /tmp/t.tar
RUN touch -h -d 2001-01-01T00:00:00Z /opt/app/link; chmod u+w /opt/app/sub/b; mv /opt/app/link /srv/link
RUN --mount=type=bind,source=debs,target=/debs \\
  apt-get install -y /debs/owned.deb; rm -rf /var/log/* /var/cache/* /var/lib/apt/lists/* /etc/*-
RUN find /opt /srv /home -user app -printf '%p %u:%g %y\\n' | LC_ALL=C sort >/found
USER app
RUN id -un >/tmp/who; echo mine >~/mine; mkdir ~/dir; chgrp extra ~/mine; ln -s x ~/link; cp -p /etc/passwd ~/copy
RUN chown root ~/mine && exit 9; chgrp 3000 ~/mine && exit 9; true
USER 1500:2000
RUN echo two >/home/app/two; rm /home/app/copy; echo new >/home/app/copy
USER root
RUN --mount=type=cache,target=/cache,uid=1500,mode=0700 --mount=type=tmpfs,target=/scratch \\
  stat -c %u:%g /cache >/cached; touch /cache/f /scratch/f; chown app /cache/f /scratch/f; stat -c %U /cache/f /scratch/f >>/cached
FROM base
COPY --from=base /opt /opt2
COPY --from=base --chown=5:6 /srv /srv2
`

/** A package whose scripts make a user, and give it files; made in the working directory. */
const PACKAGE = `mkdir -p owned/DEBIAN owned/usr/lib/owned owned/var/lib/owned debs
printf 'Package: owned\\nVersion: 1\\nArchitecture: all\\nMaintainer: t <t@example.com>\\nDescription: t\\n' >owned/DEBIAN/control
printf '#!/bin/sh\\nset -e\\ngroupadd --system --gid 151 _owned\\nuseradd --system --uid 150 --gid 151 _owned\\n' >owned/DEBIAN/preinst
printf '#!/bin/sh\\nset -e\\nchown _owned:_owned /var/lib/owned\\nchgrp _owned /usr/lib/owned/tool\\nchmod 2755 /usr/lib/owned/tool\\n' >owned/DEBIAN/postinst
chmod 755 owned/DEBIAN/preinst owned/DEBIAN/postinst
echo tool >owned/usr/lib/owned/tool
dpkg-deb --root-owner-group --build owned debs/owned.deb >/dev/null
rm -r owned`

interface Builder {
  readonly identity: Identity
  readonly env: Readonly<Record<string, string>>
}

async function build({ identity, env }: Builder) {
  await using workspace = await createWorkspace(identity)
  await workspace.fill('app', async (directory) => {
    const script = `cd "$1"; mkdir made in; echo f >made/f; ln -s f made/l; echo x >in/x; mkfifo in/p
      tar --owner=3 --group=4 --numeric-owner --sort=name --mtime=@1000000000 -cf archive.tar -C in x p; rm -r in
      ${PACKAGE}`
    await mustRun('sh', ['-euc', script, 'sh', directory])
    await mustRun('tee', [`${directory}/Dockerfile`], { input: DOCKERFILE })
  })
  const outputs = ['-o', 'type=oci,dest=out.tar,rewrite-timestamp=true', '-o', 'type=tar,dest=root.tar']
  const args = [
    'build',
    '--build-arg',
    'SOURCE_DATE_EPOCH=1700000000',
    '--progress',
    'plain',
    ...outputs,
    'app',
  ]
  await workspace.mustOssb(args, { env })
  const image = await readOciArchive(workspace.file('out.tar'))
  const files = await listTarFile(workspace.file('root.tar'))
  return { diffIds: image.config.rootfs.diff_ids, files }
}

test('a user without subordinate ids builds the image that one with them builds', async () => {
  const builders: Builder[] = [
    { identity: user, env: {} },
    { identity: user, env: { OSSB_ID_RANGE: 'none' } },
    ...(canMakeUsers ? [{ identity: await userWithoutRange(user), env: {} }] : []),
  ]
  const [real, ...recorded] = await Promise.all(builders.map(build))
  for (const one of recorded) expect(one.diffIds).toEqual(real?.diffIds)
  expect(recorded[0]?.files.get('/usr/lib/owned/tool')).toMatch(/^file 2755 0:151 /)
  for (const [path, file] of real?.files ?? [])
    if (!path.startsWith('/dev/')) expect(recorded[0]?.files.get(path), path).toEqual(file)
})
