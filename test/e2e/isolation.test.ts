import { describe, expect, test } from 'vitest'
import { miniBase } from '../support/base-image.ts'
import { mustRun } from '../support/command.ts'
import { listTarFile } from '../support/compare-rootfs.ts'
import { identities } from '../support/identity.ts'
import { readProgress } from '../support/progress.ts'
import { readOciArchive } from '../support/read-archive.ts'
import { createWorkspace } from '../support/workspace.ts'

const base = await miniBase()
const SECRET = 'hunter2-from-the-host'

describe.each(await identities())('as $name', (identity) => {
  test('nothing of the caller reaches a RUN: environment, credentials, descriptors, processes, files', async () => {
    await using workspace = await createWorkspace(identity)
    await workspace.write({
      'app/Dockerfile': `FROM oci-layout://${base}:base
ENV KEPT=yes
RUN env | sort | sed 's/^/env: /'
RUN for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/environ; tr '\\0' ' ' < $p/cmdline; done | sed 's/^/seen: /'
RUN for n in /proc/self/fd/*; do readlink $n || true; done | sed 's/^/fd: /'
RUN ls -A / | sed 's/^/root: /'; id -u | sed 's/^/id: /'; umask | sed 's/^/umask: /'; ls ${workspace.path} 2>&1 | sed 's/^/host: /'
`,
      'docker/config.json': JSON.stringify({ auths: { 'r.example': { auth: SECRET } } }),
    })
    const env = { API_TOKEN: SECRET, DOCKER_CONFIG: workspace.file('docker'), LD_LIBRARY_PATH: '/nowhere' }
    const { stderr } = await workspace.mustOssb(['build', '--progress', 'json', 'app'], { env })
    expect(stderr).not.toContain(SECRET)
    const { output } = readProgress(stderr)
    const said = (prefix: string): string[] =>
      output.filter((line) => line.startsWith(prefix)).map((line) => line.slice(prefix.length))
    const names = said('env: ').map((line) => line.slice(0, line.indexOf('=')))
    expect(names).toEqual(expect.arrayContaining(['KEPT', 'PATH', 'HOME']))
    expect(
      names.filter((name) => !['KEPT', 'PATH', 'HOME', 'PWD', 'SHLVL', 'OLDPWD', 'HOSTNAME'].includes(name)),
    ).toEqual([])
    expect(said('seen: ').join('\n')).not.toMatch(/API_TOKEN|ossb\.js|DOCKER_CONFIG/)
    expect(
      said('fd: ').filter((target) => !/^(\/dev\/null|pipe:\[\d+\]|\/proc\/\d+\/fd)$/.test(target)),
    ).toEqual([])
    expect(
      said('root: ').filter(
        (name) =>
          !['bin', 'dev', 'etc', 'proc', 'root', 'sys', 'tmp', 'var', 'lib', 'lib64', 'usr'].includes(name),
      ),
    ).toEqual([])
    expect(said('id: ')).toEqual(['0'])
    expect(said('umask: ')).toEqual(['0022'])
    expect(said('host: ').join()).toMatch(/No such file/)
  })

  test('a layer holds what the RUN changed and nothing of the builder', async () => {
    await using workspace = await createWorkspace(identity)
    await workspace.write({
      'app/Dockerfile': `FROM oci-layout://${base}:base
RUN echo made > /var/made && cat /etc/resolv.conf /etc/hosts > /dev/null && echo x > /dev/null && touch /tmp/t && rm /tmp/t
RUN true
`,
    })
    await workspace.mustOssb(['build', '-o', 'type=oci,dest=out.tar', '-o', 'type=tar,dest=root.tar', 'app'])
    const image = await readOciArchive(workspace.file('out.tar'))
    const layer = image.manifest.layers[1]?.digest.replace(':', '/') ?? ''
    const script = 'tar -xOf out.tar "$1" > layer.tar.gz && tar -tf layer.tar.gz'
    const names = await mustRun('sh', ['-c', script, 'sh', `blobs/${layer}`], { cwd: workspace.path })
    expect(names.split('\n').filter((name) => !/^(tmp\/|var\/|var\/made|)$/.test(name))).toEqual([])
    const files = await listTarFile(workspace.file('root.tar'))
    for (const stub of [
      '/etc/resolv.conf',
      '/etc/hosts',
      '/etc/hostname',
      '/dev/null',
      '/proc/self',
      '/.ossb',
    ])
      expect(files.has(stub), stub).toBe(false)
  })

  test('a process that a RUN leaves behind is ended with it', async () => {
    await using workspace = await createWorkspace(identity)
    await workspace.write({
      'app/Dockerfile': `FROM oci-layout://${base}:base\nRUN sleep ${workspace.token} & setsid sleep ${workspace.token} & echo started\n`,
    })
    await workspace.mustOssb(['build', 'app'])
    expect(await workspace.leftovers()).toEqual([])
  })
})
