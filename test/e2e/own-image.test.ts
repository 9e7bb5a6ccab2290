import { tmpdir } from 'node:os'
import { dirname } from 'node:path'
import { expect, test } from 'vitest'
import { distributionBase } from '../support/base-image.ts'
import { mustRun } from '../support/command.ts'
import { canRunContainers, startDocker } from '../support/container.ts'
import { identities } from '../support/identity.ts'
import { startRegistry } from '../support/registry.ts'
import { createWorkspace } from '../support/workspace.ts'

const BUILD = new URL('../../scripts/image/build.sh', import.meta.url).pathname
const MEGABYTE = 1e6

/** Bytes of the files in the layers of an archive. */
async function unpackedSize(archive: string): Promise<number> {
  const script = `tar -xOf "$1" manifest.json | grep -o '[^"]*blobs/sha256/[0-9a-f]*' | tail -n +2 | while read -r layer; do
    tar -xOf "$1" "$layer" | tar -tvzf -; done | awk '{ sum += $3 } END { printf "%d", sum }'`
  return Number(await mustRun('sh', ['-euc', script, 'sh', archive]))
}

/** A package with a program, and a Dockerfile that installs it. */
const PREPARE = `mkdir -p tool/DEBIAN tool/usr/bin debs; printf '#!/bin/sh\\necho tool\\n' >tool/usr/bin/tool; chmod 755 tool/usr/bin/tool
printf 'Package: tool\\nVersion: 1\\nArchitecture: all\\nMaintainer: t <t@example.com>\\nDescription: t\\n' >tool/DEBIAN/control
dpkg-deb --root-owner-group --build tool debs/tool.deb >/dev/null; rm -r tool; echo a >a`

const dockerfile = (base: string) => `FROM ${base}
COPY debs /debs
RUN apt-get install -y /debs/tool.deb && useradd -m app && chown app /debs && tool >/tool && \\
  rm -rf /var/log/* /var/cache/* /var/lib/apt/lists/* /etc/*-
COPY --chown=app a /home/app/
USER app
RUN id -un >~/who
`

// Only root can start containers; as another user the image is built and looked at.
const users = canRunContainers ? (['0', '1000'] as const) : []

test('OSSB builds its own image, which builds and pushes in a default container as root and as a user', async () => {
  const [builder] = await identities()
  if (builder === undefined) throw new Error('there is no identity')
  await using workspace = await createWorkspace(builder)
  const archive = workspace.file('image.tar')
  const output = `type=docker,dest=${archive}`
  await mustRun(BUILD, ['--debug', '-t', 'ossb:test', '-o', output], {
    env: workspace.environment({
      PATH: `${process.env['PATH']}:${dirname(process.execPath)}`,
      // The users of a subordinate range must be able to enter it.
      TMPDIR: tmpdir(),
    }),
  })
  const about = JSON.parse(await mustRun('skopeo', ['inspect', '--config', `docker-archive:${archive}`])) as {
    config: object
  }
  expect(about.config).toMatchObject({
    Entrypoint: ['/kaniko/executor'],
    User: '1000:1000',
    WorkingDir: '/workspace',
  })
  const size = await unpackedSize(archive)
  console.log(`The image of OSSB has ${(size / MEGABYTE).toFixed(1)} MB unpacked`)
  expect(size).toBeLessThan(150 * MEGABYTE)
  await using docker = canRunContainers ? await startDocker() : undefined
  await docker?.client(['load', '--input', archive])

  const registry = await startRegistry()
  try {
    const base = `${registry.host}/debian:1`
    await mustRun('skopeo', [
      'copy',
      '--dest-tls-verify=false',
      `oci:${await distributionBase()}:base`,
      `docker://${base}`,
    ])
    await workspace.fill('project', async (directory) => {
      await mustRun('sh', ['-euc', `cd "$1"; ${PREPARE}`, 'sh', directory])
      await mustRun('tee', [`${directory}/Dockerfile`], { input: dockerfile(base) })
      await mustRun('chmod', ['-R', 'a+rX', directory])
    })
    await mustRun('chmod', ['755', workspace.path])
    const layers: string[] = []
    for (const user of users) {
      const image = `${registry.host}/app:${user}`
      const script = `echo '{"auths":{}}' >/kaniko/.docker/config.json
          /kaniko/executor --context "$PROJECT" --destination ${image} --digest-file /tmp/digest --reproducible
          cat /tmp/digest`
      const result = await docker?.run(['-c', script], {
        image: 'ossb:test',
        user,
        volumes: [workspace.file('project')],
        env: { PROJECT: workspace.file('project') },
        cwd: '/workspace',
        options: ['--entrypoint=/busybox/sh'],
      })
      expect(result?.stderr).not.toContain('error building image')
      const raw = await mustRun('skopeo', ['inspect', '--raw', '--tls-verify=false', `docker://${image}`])
      const { layers: found } = JSON.parse(raw) as { layers: { digest: string }[] }
      layers.push(found.map(({ digest }) => digest).join(' '))
      expect(result?.stdout).toContain('sha256:')
    }
    expect(layers[1]).toBe(layers[0])
  } finally {
    await registry.stop()
  }
})
