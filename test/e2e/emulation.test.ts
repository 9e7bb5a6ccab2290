import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { mustRun, mustRunAsRoot } from '../support/command.ts'
import { foreignBusybox } from '../support/foreign-busybox.ts'
import { identities } from '../support/identity.ts'
import { type RunningRegistry, startRegistry } from '../support/registry.ts'
import { createWorkspace, type Workspace } from '../support/workspace.ts'

/** What `uname -m` says, by platform. */
const MACHINES: Readonly<Record<string, string>> = {
  'linux/amd64': 'x86_64',
  'linux/arm64': 'aarch64',
  'linux/arm/v7': 'armv7l',
  'linux/riscv64': 'riscv64',
  'linux/ppc64le': 'ppc64le',
  'linux/s390x': 's390x',
}

const DOCKERFILE = `FROM scratch
ARG TARGETARCH
ADD $TARGETARCH.tar /
RUN ["/bin/busybox", "sh", "-c", "/bin/busybox --install -s /bin"]
RUN printf '#!/bin/sh\\nuname -m\\n' >/script && chmod 755 /script && chown 12:34 /script && /script >/machine
USER 12:34
RUN test "$(id -u):$(id -g)" = 12:34 && test "$0" = /bin/sh && (exit 0) && cat /machine
`

const everyone = await identities()
const ordinary = everyone.find(({ name }) => name === 'ordinary user')
if (ordinary === undefined) throw new Error('there is no ordinary user')

let registry: RunningRegistry
beforeAll(async () => {
  registry = await startRegistry()
})
afterAll(() => registry.stop())

async function writeContext(workspace: Workspace, platforms: readonly string[]): Promise<void> {
  await workspace.write({ 'app/Dockerfile': DOCKERFILE })
  await workspace.fill('tars', async (directory) => {
    for (const platform of platforms) {
      const architecture = platform.split('/')[1] as string
      await mustRun('cp', [await foreignBusybox(architecture), `${directory}/${architecture}.tar`])
    }
  })
  await mustRunAsRoot('sh', ['-c', 'mv "$1"/tars/* "$1"/app/', 'sh', workspace.path])
}

/** What the RUNs of each platform found out, from what was written with type=local. */
async function machinesIn(workspace: Workspace, directory: string, platforms: readonly string[]) {
  return await Promise.all(
    platforms.map(async (platform) =>
      (
        await readFile(workspace.file(`${directory}/${platform.replaceAll('/', '_')}/machine`), 'utf8')
      ).trim(),
    ),
  )
}

test('an ordinary user builds for six architectures at once, with nothing registered, and pushes one index', async () => {
  await using workspace = await createWorkspace(ordinary)
  const platforms = Object.keys(MACHINES)
  await writeContext(workspace, platforms)
  const name = `${registry.host}/six:1`
  await workspace.mustOssb([
    'build',
    `--platform=${platforms.join()}`,
    `--insecure-registry=${registry.host}`,
    `--tag=${name}`,
    '--output=type=registry',
    '--output=type=local,dest=root',
    'app',
  ])
  expect(await machinesIn(workspace, 'root', platforms)).toEqual(Object.values(MACHINES))
  const raw = await mustRun('skopeo', ['inspect', '--raw', '--tls-verify=false', `docker://${name}`])
  expect(JSON.parse(raw)).toMatchObject({
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: platforms.map((platform) => {
      const [os, architecture, variant] = platform.split('/')
      return { platform: { os, architecture, ...(variant === undefined ? {} : { variant }) } }
    }),
  })
  expect(await workspace.leftovers()).toEqual([])
})

const OTHERS = ['linux/arm64', 'linux/s390x']
/** The same builds, with fewer means or more. */
const KINDS = [
  ...everyone.map((identity) => ({ ...identity, kind: identity.name, env: {} })),
  { ...ordinary, kind: 'a user with one id', env: { OSSB_ID_RANGE: 'none' } },
].filter(({ kind }) => kind !== 'ordinary user')

test.each(KINDS)(
  'as $kind programs of other architectures run, and the layers are the same',
  async (identity) => {
    const digests: string[] = []
    for (const [who, env] of [
      [identity, identity.env],
      [ordinary, {}],
    ] as const) {
      await using workspace = await createWorkspace(who)
      await writeContext(workspace, OTHERS)
      const output = '--output=type=oci,dest=out.tar,rewrite-timestamp=true'
      const local = '--output=type=local,dest=root'
      const epoch = '--build-arg=SOURCE_DATE_EPOCH=1700000000'
      await workspace.mustOssb(['build', `--platform=${OTHERS.join()}`, epoch, output, local, 'app'], { env })
      expect(await machinesIn(workspace, 'root', OTHERS)).toEqual(
        OTHERS.map((platform) => MACHINES[platform]),
      )
      digests.push(
        await mustRunAsRoot('skopeo', ['inspect', '--raw', `oci-archive:${workspace.file('out.tar')}`]),
      )
      const left = await workspace.leftovers()
      expect(left.filter((one) => !one.startsWith('file in the cache: snapshots/'))).toEqual([])
    }
    expect(digests[0]).toBe(digests[1])
  },
)

test('without an emulator a foreign RUN is an error with the remedy, and a build without one needs none', async () => {
  await using workspace = await createWorkspace(ordinary)
  await writeContext(workspace, ['linux/s390x'])
  await workspace.write({ 'plain/Dockerfile': 'FROM scratch\nCOPY Dockerfile /\n', 'qemu/none': '' })
  const env = { PATH: workspace.file('qemu') }
  const build = ['build', '--platform=linux/s390x', '--output=type=oci,dest=out.tar']
  const failed = await workspace.ossb([...build, 'app'], { env })
  expect(failed.status).toBe(1)
  expect(failed.stderr).toMatch(
    /ERROR: Cannot run a step for linux\/s390x on linux\/\w+: there is no qemu-s390x-static on PATH\nhint: Install it \(Debian and Ubuntu: apt-get install qemu-user-static\), or name a static one with --qemu PATH\./,
  )
  await workspace.mustOssb([...build, 'plain'], { env })
  await workspace.mustOssb([...build, '--qemu=/usr/bin/qemu-s390x-static', 'app'], { env })
})

test('the program of a step counts, whatever its image says of itself', async () => {
  await using workspace = await createWorkspace(ordinary)
  await writeContext(workspace, ['linux/amd64', 'linux/arm64'])
  const native = process.arch === 'arm64' ? 'arm64' : 'amd64'
  const dockerfile = (architecture: string) =>
    `FROM scratch\nADD ${architecture}.tar /\nRUN ["/bin/busybox", "true"]\n`
  await workspace.write({
    'app/native': dockerfile(native),
    'app/foreign': dockerfile(native === 'amd64' ? 'arm64' : 'amd64'),
  })
  const env = { PATH: workspace.file('app') }
  const build = ['build', '--output=type=oci,dest=out.tar', '-f']
  await workspace.mustOssb([...build, 'app/native', '--platform=linux/s390x', 'app'], { env })
  const failed = await workspace.ossb([...build, 'app/foreign', 'app'], { env })
  expect(failed.stderr).toMatch(
    /Cannot run a step for linux\/\w+ \(its program is one for (?:arm|amd)64\) on/,
  )
})
