import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { miniBase } from '../support/base-image.ts'
import { mustRun, mustRunAsRoot } from '../support/command.ts'
import { identities } from '../support/identity.ts'
import { type RunningRegistry, startRegistry } from '../support/registry.ts'
import { createWorkspace } from '../support/workspace.ts'

const base = await miniBase()
let registry: RunningRegistry
beforeAll(async () => {
  registry = await startRegistry()
})
afterAll(() => registry.stop())

/** No RUN is foreign: what is made for another platform is made on this one. */
const DOCKERFILE = `FROM --platform=$BUILDPLATFORM oci-layout://${base}:base AS shared
RUN echo once > /shared
FROM --platform=$BUILDPLATFORM oci-layout://${base}:base AS each
ARG TARGETPLATFORM TARGETOS TARGETARCH TARGETVARIANT
RUN echo "$TARGETPLATFORM $TARGETOS $TARGETARCH $TARGETVARIANT" > /target
FROM scratch
COPY --from=shared /shared /
COPY --from=each /target /
`

const PLATFORMS = [
  { architecture: 'amd64', os: 'linux' },
  { architecture: 'arm64', os: 'linux' },
  { architecture: 'arm', os: 'linux', variant: 'v7' },
  { architecture: 'riscv64', os: 'linux' },
]

interface Index {
  readonly mediaType: string
  readonly manifests: readonly { readonly digest: string; readonly platform: object }[]
}

describe.each(await identities())('as $name', (identity) => {
  test('several platforms become one index, and what they share is carried out once', async () => {
    await using workspace = await createWorkspace(identity)
    await workspace.write({ 'app/Dockerfile': DOCKERFILE })
    const registryFlags = ['--insecure-registry', registry.host]
    const name = `${registry.host}/many:${identity.uid ?? 0}`
    const outputs = [
      'type=oci,dest=a.tar',
      'type=oci,dest=layout,tar=false',
      'type=image,push=true',
      'type=local,dest=root',
      'type=tar,dest=r.tar',
    ].flatMap((output) => ['-o', output])
    const build = ['build', '--platform', 'amd64,arm64', '--platform', 'linux/arm,linux/riscv64,linux/arm/v7']
    const { stderr } = await workspace.mustOssb([
      ...build,
      ...outputs,
      ...registryFlags,
      '-t',
      name,
      '--progress=plain',
      '--metadata-file=meta.json',
      'app',
    ])
    const steps = new Set(stderr.match(/^#\d+ \[.* RUN echo .*$/gm))
    const count = (text: string) => [...steps].filter((line) => line.includes(text)).length
    expect([count('echo once'), count('TARGETPLATFORM')]).toEqual([1, PLATFORMS.length])

    const raw = async (image: string, ...options: readonly string[]): Promise<Index> =>
      JSON.parse(await mustRunAsRoot('skopeo', ['inspect', '--raw', ...options, image]))
    const index = await raw(`docker://${name}`, '--tls-verify=false')
    expect(index.mediaType).toBe('application/vnd.oci.image.index.v1+json')
    expect(index.manifests.map(({ platform }) => platform)).toEqual(PLATFORMS)
    expect(await raw(`oci-archive:${workspace.file('a.tar')}`)).toEqual(index)
    expect(await raw(`oci:${workspace.file('layout')}`)).toEqual(index)
    const meta = JSON.parse(await readFile(workspace.file('meta.json'), 'utf8'))
    expect(meta['containerimage.descriptor']).toMatchObject({ mediaType: index.mediaType })
    expect(meta['containerimage.config.digest']).toBeUndefined()

    for (const [folder, text] of [
      ['linux_arm64', 'linux/arm64 linux arm64 \n'],
      ['linux_arm_v7', 'linux/arm/v7 linux arm v7\n'],
    ]) {
      expect(await readFile(workspace.file(`root/${folder}/target`), 'utf8')).toBe(text)
      expect(await mustRun('tar', ['-xOf', workspace.file('r.tar'), `${folder}/target`])).toBe(text)
    }
    expect((await mustRun('tar', ['-tf', workspace.file('r.tar')])).split('\n').slice(0, 3)).toEqual([
      'linux_amd64/',
      'linux_amd64/shared',
      'linux_amd64/target',
    ])

    const docker = ['--iidfile', 'id', '-o', 'type=registry,oci-mediatypes=false', '-t', `${name}-docker`]
    const again = await workspace.mustOssb([...build, ...registryFlags, ...docker, 'app'])
    expect(again.stderr).toContain('Built linux/amd64, linux/arm64, linux/arm/v7, linux/riscv64')
    const list = await raw(`docker://${name}-docker`, '--tls-verify=false')
    expect(again.stderr).toContain(`digest  ${await readFile(workspace.file('id'), 'utf8')}`)
    expect(list.mediaType).toBe('application/vnd.docker.distribution.manifest.list.v2+json')
    expect(list.manifests.map(({ platform }) => platform)).toEqual(PLATFORMS)
    expect(await workspace.leftovers()).toEqual([])
  })

  test('what cannot be is refused before, and what fails is told for each platform', async () => {
    await using workspace = await createWorkspace(identity)
    const failing = `FROM --platform=$BUILDPLATFORM oci-layout://${base}:base
ARG TARGETARCH
RUN case $TARGETARCH in arm64) exit 3;; s390x) exit 4;; esac
RUN touch /made
`
    await workspace.write({
      'app/Dockerfile': failing,
      'one/Dockerfile': 'FROM scratch\nCOPY Dockerfile /\n',
    })
    const platforms = ['build', '--platform', 'linux/arm64,linux/riscv64,linux/s390x']
    const docker = await workspace.ossb([...platforms, '-o', 'type=docker,dest=d.tar', 'one'])
    expect(docker.status).toBe(2)
    expect(docker.stderr).toContain('Cannot write images for 3 platforms to one docker archive')
    const failed = await workspace.ossb([...platforms, 'app'])
    expect(failed.status).toBe(3)
    expect(failed.stderr).toMatch(
      /Cannot build for 3 platforms: 2 failures:\n- linux\/arm64: process .* exit code: 3\n- linux\/s390x: process .* exit code: 4\n/,
    )
    // What the third one needed is kept.
    const { stderr } = await workspace.mustOssb([
      'build',
      '--progress=plain',
      '--platform=linux/riscv64',
      'app',
    ])
    expect(stderr.match(/CACHED/g)).toHaveLength(2)

    const merged = ['-o', 'type=local,dest=merged,platform-split=false']
    const clash = { 'two/Dockerfile': 'FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /file\n' }
    await workspace.write({ ...clash, 'two/arm64': 'a', 'two/riscv64': 'b', 'two/s390x': 'c' })
    const overwritten = await workspace.ossb([...platforms, ...merged, 'two'])
    expect(overwritten.stderr).toContain(
      'cannot overwrite /file from linux/arm64 with linux/riscv64 when split option is disabled',
    )
  })

  test('one platform is an index where that is asked for', async () => {
    await using workspace = await createWorkspace(identity)
    await workspace.write({ 'app/Dockerfile': 'FROM scratch\nCOPY Dockerfile /\n' })
    const argument = ['--build-arg', 'BUILDKIT_MULTI_PLATFORM=1', '--platform', 'linux/arm/v6']
    await workspace.mustOssb(['build', ...argument, '-o', 'type=oci,dest=a.tar', 'app'])
    const raw = await mustRunAsRoot('skopeo', ['inspect', '--raw', `oci-archive:${workspace.file('a.tar')}`])
    expect(JSON.parse(raw)).toMatchObject({
      manifests: [{ platform: { architecture: 'arm', os: 'linux', variant: 'v6' } }],
    })
  })

  test('annotations go where they are asked for, and layers of the base are compressed anew', async () => {
    await using workspace = await createWorkspace(identity)
    await workspace.write({
      'app/Dockerfile': `FROM --platform=$BUILDPLATFORM oci-layout://${base}:base\nCOPY Dockerfile /\n`,
      'sub/Dockerfile': 'FROM scratch\nCOPY Dockerfile /\n',
    })
    const annotations = [
      'a=manifest',
      'index,index-descriptor:b=index=1',
      'manifest-descriptor[linux/arm64]:c=only arm64',
      'manifest[linux/riscv64]:d=only riscv64',
    ].flatMap((text) => ['--annotation', text])
    const build = ['build', '--platform=linux/arm64,linux/riscv64', ...annotations, '-t', 'app:1']
    const zstd =
      'type=oci,dest=layout,tar=false,compression=zstd,force-compression=true,annotation-index.e=output'
    await workspace.mustOssb([...build, '-o', zstd, 'app'])
    const blob = async (digest: string) =>
      JSON.parse(await readFile(workspace.file(`layout/blobs/sha256/${digest.slice(7)}`), 'utf8'))
    const { manifests: [top] = [] } = JSON.parse(await readFile(workspace.file('layout/index.json'), 'utf8'))
    expect(top.annotations).toMatchObject({ b: 'index=1' })
    const index = await blob(top.digest)
    expect(index.annotations).toEqual({ b: 'index=1', e: 'output' })
    expect(index.manifests.map((one: { annotations?: object }) => one.annotations)).toEqual([
      { c: 'only arm64' },
      undefined,
    ])
    const [arm64, riscv64] = [await blob(index.manifests[0].digest), await blob(index.manifests[1].digest)]
    expect(arm64.annotations).toEqual({ a: 'manifest' })
    expect(riscv64.annotations).toEqual({ a: 'manifest', d: 'only riscv64' })
    expect(arm64.layers.map((layer: { mediaType: string }) => layer.mediaType)).toEqual(
      Array(2).fill('application/vnd.oci.image.layer.v1.tar+zstd'),
    )
    await mustRunAsRoot('skopeo', [
      'copy',
      '--override-arch=arm64',
      `oci:${workspace.file('layout')}:1`,
      `dir:${workspace.file('copied')}`,
    ])

    for (const [flags, message] of [
      [['--annotation=index:a=b'], 'index annotations not supported for single platform export'],
      [['--annotation=nothing:a=b'], 'unknown annotation type "nothing"'],
      [['--annotation=a=b', '-o', 'type=docker,dest=d.tar'], 'Docker manifests have none'],
      [['--annotation=a=b', '-o', 'local'], 'no output holds an image'],
    ] as const) {
      const failed = await workspace.ossb(['build', ...flags, 'sub'])
      expect(failed.status).toBe(2)
      expect(failed.stderr).toContain(message)
    }
  })
})
