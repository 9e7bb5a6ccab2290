import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Descriptor } from '../../src/core/index.ts'
import { mustRun } from '../support/command.ts'
import { identities } from '../support/identity.ts'
import {
  handMadeLayout,
  layoutNames,
  named,
  putImage,
  type SampleImages,
  sampleLayout,
} from '../support/layout-image.ts'
import { type RunningRegistry, startRegistry } from '../support/registry.ts'
import { createWorkspace, type Workspace } from '../support/workspace.ts'

const everyone = await identities()

let registry: RunningRegistry
beforeAll(async () => {
  registry = await startRegistry()
})
afterAll(async () => {
  await registry.stop()
})

async function sample(workspace: Workspace): Promise<SampleImages> {
  let images: SampleImages | undefined
  await workspace.fill('sample', async (directory) => {
    images = await sampleLayout(directory)
  })
  return images as SampleImages
}

/** The digest of what skopeo finds at a place, without a choice of a platform. */
async function skopeoDigest(place: string): Promise<string> {
  const raw = await mustRun('skopeo', ['inspect', '--raw', '--tls-verify=false', place])
  return `sha256:${createHash('sha256').update(raw).digest('hex')}`
}

describe.each(everyone)('ossb copy as $name', (identity) => {
  test('keeps digests on a way through registry, layout and archives, for all platforms', async () => {
    await using workspace = await createWorkspace(identity)
    const { index, docker } = await sample(workspace)
    const file = (name: string) => workspace.file(name)
    const remote = `${registry.host}/${identity.userName}`
    for (const [name, digest] of [
      ['multi', index.digest],
      ['docker', docker.digest],
    ] as const) {
      const way = [
        `oci:${file('sample')}:${name}`,
        `${remote}/${name}:1`,
        `oci-archive:${file(`${name}.oci.tar`)}:${name}`,
        `oci:${file('second')}:${name}`,
        `docker-archive:${file(`${name}.docker.tar`)}:example/${name}:1`,
        `docker://${remote}/back:${name}`,
      ]
      for (const [at, destination] of way.slice(1).entries()) {
        const source = way[at] as string
        const { stdout } = await workspace.mustOssb(['copy', '--all', '-q', source, destination])
        expect(`${source} ${stdout.trim()}`).toBe(`${source} ${digest}`)
      }
      expect(await skopeoDigest(`docker://${remote}/${name}:1`)).toBe(digest)
      expect(await skopeoDigest(`docker://${remote}/back:${name}`)).toBe(digest)
      expect(await skopeoDigest(`oci-archive:${file(`${name}.oci.tar`)}`)).toBe(digest)
      expect(layoutNames(file('second'))[name]).toBe(digest)
    }
    expect(await workspace.leftovers()).toEqual([])
  })

  test('keeps digests of SHA-512, and builds on images with them', async () => {
    await using workspace = await createWorkspace(identity)
    const file = (name: string) => workspace.file(name)
    let image: Descriptor | undefined
    await workspace.fill('long', async (directory) => {
      const layout = handMadeLayout(directory, 'sha512')
      image = await putImage(layout, { architecture: 'amd64', layers: ['gzip', 'plain'] })
      layout.finish([named(image, 'long')])
    })
    const { digest } = image as Descriptor
    const archive = `oci-archive:${file('long.tar')}:long`
    const second = `oci:${file('second')}:long`
    expect(
      (await workspace.mustOssb(['copy', '-q', `oci:${file('long')}:long`, archive])).stdout.trim(),
    ).toBe(digest)
    expect((await workspace.mustOssb(['copy', '-q', archive, second])).stdout.trim()).toBe(digest)
    expect((await workspace.mustOssb(['inspect', `oci:${file('second')}@${digest}`])).stdout).toContain(
      digest,
    )
    // It keeps blobs by any digest, and manifests by SHA-256 only.
    const remote = `${registry.host}/${identity.userName}/long:1`
    const refused = await workspace.ossb(['copy', second, remote])
    expect(refused.status).not.toBe(0)
    expect(refused.stderr).toContain('hint: The registry may keep manifests by SHA-256 digests only')
    await workspace.write({ 'context/Dockerfile': 'FROM base\nCOPY new /new\n', 'context/new': 'new' })
    const base = `base=oci-layout://${file('second')}@${digest}`
    await workspace.mustOssb(['build', '-t', remote, '--push', '--build-context', base, 'context'])
    const pulled = await workspace.mustOssb(['copy', '-q', remote, `oci:${file('back')}:long`])
    expect(pulled.stdout).toMatch(/^sha256:/)
    const layers = await workspace.mustOssb(['inspect', '--format', 'json', `oci:${file('back')}:long`])
    expect(layers.stdout.match(/sha(?:256|512)(?=:)/g)).toEqual(expect.arrayContaining(['sha256', 'sha512']))
    expect((await readdir(file('back/blobs/sha512'))).length).toBe(2)
  })

  test('copies one platform, and several as an index of them', async () => {
    await using workspace = await createWorkspace(identity)
    const { amd64, arm, index } = await sample(workspace)
    const source = `oci:${workspace.file('sample')}:multi`
    const copy = async (...args: string[]) =>
      (
        await workspace.mustOssb(['copy', '-q', ...args, source, `oci:${workspace.file('out')}`])
      ).stdout.trim()
    expect(await copy('--platform', 'linux/arm/v7')).toBe(arm.digest)
    expect(await copy('--platform', 'linux/amd64')).toBe(amd64.digest)
    expect(await copy('--platform', 'linux/amd64', '--platform', 'linux/arm/v7')).toBe(index.digest)
    expect(layoutNames(workspace.file('out'))['latest']).toBe(index.digest)
    const missing = await workspace.ossb(['copy', '--platform', 'linux/s390x', source, 'oci:out'])
    expect(missing.status).toBe(1)
    expect(missing.stderr).toContain('it has no image for linux/s390x')
  })

  test('gives further tags, and writes the digest to a file', async () => {
    await using workspace = await createWorkspace(identity)
    const { docker } = await sample(workspace)
    const target = `${registry.host}/${identity.userName}/tagged`
    await workspace.mustOssb([
      'copy',
      '-t',
      'two',
      '-t',
      'three',
      '--digest-file',
      'digest',
      'oci:sample:docker',
      `${target}:one`,
    ])
    expect(await readFile(workspace.file('digest'), 'utf8')).toBe(docker.digest)
    for (const tag of ['one', 'two', 'three'])
      expect(await skopeoDigest(`docker://${target}:${tag}`)).toBe(docker.digest)
  })

  test('copies what refers to the image', async () => {
    await using workspace = await createWorkspace(identity)
    const { amd64, signature } = await sample(workspace)
    const target = `${registry.host}/${identity.userName}/signed:1`
    await workspace.mustOssb(['copy', '--all', '--referrers', 'oci:sample:multi', target])
    await workspace.mustOssb(['copy', '--all', '--referrers', target, 'oci-archive:signed.tar:signed'])
    const { stdout } = await workspace.mustOssb([
      'inspect',
      '--format',
      'json',
      '--referrers',
      `oci-archive:signed.tar@${amd64.digest}`,
    ])
    expect(JSON.parse(stdout)).toMatchObject({
      referrers: [{ digest: signature.digest, artifactType: 'application/vnd.example.signature' }],
    })
  })

  test('reads what skopeo wrote, and skopeo and umoci what it wrote', async () => {
    await using workspace = await createWorkspace(identity)
    const { docker } = await sample(workspace)
    const remote = `${registry.host}/${identity.userName}/skopeo`
    const own = {
      cwd: workspace.path,
      env: workspace.environment(),
      ...(identity.uid === undefined ? {} : { uid: identity.uid, gid: identity.gid as number }),
    }
    const run = (command: string, ...args: string[]) => mustRun(command, args, own)
    await workspace.mustOssb(['copy', 'oci:sample:docker', `${remote}:source`])
    // Debian's skopeo finds no image of Docker's type in an OCI layout.
    const source = ['--src-tls-verify=false', `docker://${remote}:source`]
    await run('skopeo', 'copy', ...source, 'docker-archive:skopeo.tar:example/app:1')
    await run('skopeo', 'copy', ...source, 'oci-archive:skopeo.oci.tar:app')
    const first = (await workspace.mustOssb(['copy', '-q', 'docker-archive:skopeo.tar', `${remote}:a`]))
      .stdout
    const second = (
      await workspace.mustOssb(['copy', '-q', 'docker-archive:skopeo.tar:example/app:1', 'oci:b:b'])
    ).stdout
    expect(second).toBe(first)
    await run('umoci', 'unpack', '--rootless', '--image', 'b:b', 'bundle')
    expect(await readdir(workspace.file('bundle/rootfs'))).toEqual(['file-0', 'file-1'])
    const [digest] = Object.values(await archiveNames(workspace, 'skopeo.oci.tar'))
    const kept = await workspace.mustOssb(['copy', '-q', 'oci-archive:skopeo.oci.tar:app', `${remote}:c`])
    expect(kept.stdout.trim()).toBe(digest)

    await workspace.mustOssb(['copy', 'oci:sample:docker', 'docker-archive:ossb.tar:example/app:1'])
    const config = JSON.parse(
      await run('skopeo', 'inspect', '--config', 'docker-archive:ossb.tar:example/app:1'),
    ) as object
    expect(config).toMatchObject({ architecture: 'amd64' })
    await run('skopeo', 'copy', 'docker-archive:ossb.tar:example/app:1', 'oci:d:d')
    await run('umoci', 'unpack', '--rootless', '--image', 'd:d', 'bundle-d')
    expect(await readFile(workspace.file('bundle-d/rootfs/file-1'), 'utf8')).toContain('amd64 1')
    expect((await workspace.mustOssb(['copy', '-q', 'docker-archive:ossb.tar', 'oci:e'])).stdout.trim()).toBe(
      docker.digest,
    )
  })

  test('reads an archive that is compressed as a whole, and leaves no copy of it', async () => {
    await using workspace = await createWorkspace(identity)
    const { docker } = await sample(workspace)
    await workspace.mustOssb(['copy', 'oci:sample:docker', 'docker-archive:plain.tar:a:1'])
    await mustRun('gzip', ['-k', workspace.file('plain.tar')])
    const { stdout } = await workspace.mustOssb(['copy', '-q', 'docker-archive:plain.tar.gz:a:1', 'oci:out'])
    expect(stdout.trim()).toBe(docker.digest)
    expect(await workspace.leftovers()).toEqual([])
  })

  test('says what is wrong with a place, and writes nothing then', async () => {
    await using workspace = await createWorkspace(identity)
    const { amd64 } = await sample(workspace)
    const cases: readonly (readonly [args: readonly string[], message: string])[] = [
      [['oci:sample', 'oci:out'], 'it holds 2 and none was named'],
      [['oci:sample:other', 'oci:out'], 'Cannot find "other" in "sample"'],
      [['oci:nowhere:a', 'oci:out'], 'there is no such directory'],
      [['oci-archive:nowhere.tar', 'oci:out'], 'there is no such file'],
      [['oci-archive:sample/index.json', 'oci:out'], 'Cannot read "sample/index.json" as an image archive'],
      [['oci:sample:multi', 'oci:./sample:multi'], 'they are the same place'],
      [['cache:app:1', 'oci:out'], 'holds no image'],
      [['containers-storage:a', 'oci:out'], 'images are not read from "containers-storage"'],
      [['oci:sample:multi', `${registry.host}/x@${amd64.digest}`], 'a digest is not a name'],
      [['oci:sample:multi', 'docker-archive:sample:a'], 'it is a directory'],
      [
        ['--all', '--platform', 'linux/arm', 'oci:sample:multi', 'oci:out'],
        'Cannot use --all with --platform',
      ],
      [['-t', 'a/b', 'oci:sample:multi', 'oci:out'], 'it is not a tag'],
    ]
    for (const [args, message] of cases) {
      const { status, stderr } = await workspace.ossb(['copy', '-q', ...args])
      expect(stderr).toContain(message)
      expect(status).not.toBe(0)
    }
    expect((await workspace.ossb(['copy', 'oci:sample', 'oci:out'])).stderr).toContain(
      'It holds multi, docker.',
    )
    expect(existsSync(workspace.file('out'))).toBe(false)
  })

  test('moves images to and from the cache, and builds from archives', async () => {
    await using workspace = await createWorkspace(identity)
    const { docker } = await sample(workspace)
    await workspace.mustOssb(['copy', 'oci:sample:docker', 'cache:example/app:1'])
    const { stdout } = await workspace.mustOssb([
      'copy',
      '-q',
      'cache:example/app:1',
      'docker-archive:app.tar:app:1',
    ])
    expect(stdout.trim()).toBe(docker.digest)
    await workspace.mustOssb(['copy', 'cache:example/app:1', 'oci-archive:app.oci.tar:app'])
    await workspace.write({
      'context/Dockerfile': [
        `FROM docker-archive://${workspace.file('app.tar')}:app:1 AS first`,
        `FROM named`,
        `COPY --from=first /file-0 /from-stage`,
        `COPY --from=oci-archive://${workspace.file('app.oci.tar')}:app /file-1 /from-archive`,
      ].join('\n'),
    })
    await workspace.mustOssb([
      'build',
      '--build-context',
      'named=docker-archive://app.tar',
      '-o',
      'type=local,dest=rootfs',
      'context',
    ])
    expect((await readdir(workspace.file('rootfs'))).sort()).toEqual([
      'file-0',
      'file-1',
      'from-archive',
      'from-stage',
    ])
  })
})

async function archiveNames(workspace: Workspace, file: string): Promise<Readonly<Record<string, string>>> {
  const directory = workspace.file(`${file}.files`)
  await mustRun('mkdir', [directory])
  await mustRun('tar', ['-C', directory, '-xf', workspace.file(file)])
  return layoutNames(directory)
}
