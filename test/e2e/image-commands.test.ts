import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mustRun } from '../support/command.ts'
import { identities } from '../support/identity.ts'
import { handMadeLayout, named, putImage, type SampleImages, sampleLayout } from '../support/layout-image.ts'
import { type RunningRegistry, startRegistry } from '../support/registry.ts'
import { createWorkspace, type Workspace } from '../support/workspace.ts'

// What these commands do does not depend on who runs them; the weaker one will do.
const identity = (await identities()).at(-1)
if (identity === undefined) throw new Error('nobody to run as')

let registry: RunningRegistry
let workspace: Workspace
let images: SampleImages
beforeAll(async () => {
  registry = await startRegistry()
  workspace = await createWorkspace(identity)
  await workspace.fill('sample', async (directory) => {
    images = await sampleLayout(directory)
  })
})
afterAll(async () => {
  await workspace[Symbol.asyncDispose]()
  await registry.stop()
})

async function inspect(...args: string[]): Promise<string> {
  return (await workspace.mustOssb(['inspect', ...args])).stdout
}

interface Report {
  readonly descriptor: { readonly digest: string; readonly mediaType: string }
  readonly annotations: Readonly<Record<string, string>>
  readonly entries?: readonly {
    readonly descriptor: {
      readonly digest: string
      readonly platform?: object
      readonly annotations?: object
    }
  }[]
}

async function report(place: string): Promise<Report> {
  return JSON.parse(await inspect('--format', 'json', place)) as Report
}

describe('ossb inspect', () => {
  test('shows an index with its images', async () => {
    const text = await inspect('oci:sample:multi')
    expect(text).toContain(`Digest:      ${images.index.digest}\n`)
    expect(text).toContain(`  linux/arm/v7\n    Digest:      ${images.arm.digest}\n`)
    expect(text).toContain('  org.example.index=yes\n')
  })

  test('shows an image with its configuration, layers and history', async () => {
    const text = await inspect('--platform', 'linux/amd64', 'oci:sample:multi')
    const shown = text.replaceAll(/sha256:[a-f0-9]{64}/g, 'DIGEST').replaceAll(/ +[\d.]+k?B/g, ' SIZE')
    expect(shown).toBe(
      [
        'Name:        oci:sample:multi',
        'Digest:      DIGEST',
        'Media type:  application/vnd.oci.image.manifest.v1+json',
        'Platform:    linux/amd64',
        'Size: SIZE in 3 layers',
        'Image ID:    DIGEST',
        '',
        'Annotations',
        '  org.example.note=hello',
        '',
        'Configuration',
        '  User:               app',
        '  Working directory:  /srv',
        '  Entrypoint:         ["/bin/run"]',
        '  Command:            ["one","two"]',
        '  Exposed ports:      80/tcp',
        '  Volumes:            /data',
        '  Stop signal:        SIGINT',
        '  Health check:       ["CMD","true"], Interval 30s, Retries 3',
        '',
        'Environment',
        '  A=1',
        '  B=two words',
        '',
        'Labels',
        '  org.example.title=sample',
        '',
        'Layers',
        '   1  DIGEST SIZE  application/vnd.oci.image.layer.v1.tar+gzip',
        '   2  DIGEST SIZE  application/vnd.oci.image.layer.v1.tar+zstd',
        '   3  DIGEST SIZE  application/vnd.oci.image.layer.v1.tar',
        '',
        'History',
        '    #1 SIZE  COPY file-0 / # test',
        '    #2 SIZE  COPY file-1 / # test',
        '    #3 SIZE  COPY file-2 / # test',
        '                CMD ["run"]',
        '',
      ].join('\n'),
    )
  })

  test('prints the manifest byte for byte, the same from everywhere', async () => {
    const target = `${registry.host}/raw:1`
    await workspace.mustOssb(['copy', '--all', 'oci:sample:multi', target])
    const raw = await inspect('--raw', target)
    expect(raw).toBe(await inspect('--raw', 'oci:sample:multi'))
    expect(raw).toBe(
      await mustRun('skopeo', ['inspect', '--raw', '--tls-verify=false', `docker://${target}`]),
    )
    expect((await report(target)).descriptor.digest).toBe(images.index.digest)
  })

  test('says what is wrong with a reference', async () => {
    const { status, stderr } = await workspace.ossb(['inspect', `${registry.host}/nobody:1`])
    expect(status).toBe(1)
    expect(stderr).toMatch(/^ERROR: Cannot find "1" in "127\.0\.0\.1:\d+\/nobody"/)
  })
})

describe('ossb index create', () => {
  test('joins what several machines pushed', async () => {
    const base = `${registry.host}/joined`
    await workspace.mustOssb(['copy', '--platform', 'linux/amd64', 'oci:sample:multi', `${base}:1-amd64`])
    await workspace.mustOssb([
      'copy',
      '--platform',
      'linux/arm/v7',
      'oci:sample:multi',
      `${registry.host}/other:arm`,
    ])
    const { stdout } = await workspace.mustOssb([
      'index',
      'create',
      '-q',
      '--annotation',
      'org.example.a=b=c',
      '-t',
      'extra',
      '--digest-file',
      'joined',
      `${base}:1`,
      `${base}:1-amd64`,
      `${registry.host}/other:arm`,
    ])
    const { descriptor, annotations, entries } = await report(`${base}:extra`)
    expect(descriptor.digest).toBe(stdout.trim())
    expect(annotations).toEqual({ 'org.example.a': 'b=c' })
    expect(entries?.map((entry) => [entry.descriptor.digest, entry.descriptor.platform])).toEqual([
      [images.amd64.digest, { os: 'linux', architecture: 'amd64' }],
      [images.arm.digest, { os: 'linux', architecture: 'arm', variant: 'v7' }],
    ])
    const config = await mustRun('skopeo', [
      '--override-arch',
      'arm',
      'inspect',
      '--config',
      '--tls-verify=false',
      `docker://${base}:1`,
    ])
    expect(JSON.parse(config)).toMatchObject({ architecture: 'arm' })
  })

  test('keeps the attestations of an index, and adds to one', async () => {
    await workspace.fill('third', async (directory) => {
      const layout = handMadeLayout(directory)
      layout.finish([named(await putImage(layout, { architecture: 's390x', layers: ['gzip'] }), 'a')])
    })
    const place = `${registry.host}/grown:1`
    await workspace.mustOssb(['index', 'create', '--append', place, 'oci:sample:multi'])
    await workspace.mustOssb(['index', 'create', '--append', place, 'oci:third:a'])
    // What is there already is no mistake.
    await workspace.mustOssb(['index', 'create', '--append', place, 'oci:third:a'])
    const { entries = [] } = await report(place)
    expect(entries.map(({ descriptor }) => descriptor.platform)).toMatchObject([
      { architecture: 'amd64' },
      { architecture: 'arm' },
      { architecture: 'unknown' },
      { architecture: 's390x' },
    ])
    expect(entries[2]?.descriptor.annotations).toEqual({
      'vnd.docker.reference.type': 'attestation-manifest',
      'vnd.docker.reference.digest': images.amd64.digest,
    })
  })

  test('refuses two images for one platform, unless the last is to count', async () => {
    const args = ['oci:sample:multi', 'oci:sample:docker']
    const { status, stderr } = await workspace.ossb(['index', 'create', 'oci:twice:a', ...args])
    expect(status).toBe(2)
    expect(stderr).toContain(
      `Cannot put "oci:sample:multi" (${images.amd64.digest}) and "oci:sample:docker" (${images.docker.digest}) into one index: both are for linux/amd64`,
    )
    await workspace.mustOssb(['index', 'create', '--replace', 'oci:twice:a', ...args])
    const { entries = [] } = await report('oci:twice:a')
    // The attestation was about the one that is gone.
    expect(entries.map(({ descriptor }) => descriptor.digest)).toEqual([
      images.docker.digest,
      images.arm.digest,
    ])
  })

  test('writes a manifest list of Docker for images of Docker only', async () => {
    await workspace.mustOssb([
      'index',
      'create',
      '--image-format',
      'docker',
      'oci:list:a',
      'oci:sample:docker',
    ])
    expect((await report('oci:list:a')).descriptor.mediaType).toBe(
      'application/vnd.docker.distribution.manifest.list.v2+json',
    )
    const { status, stderr } = await workspace.ossb([
      'index',
      'create',
      '--image-format',
      'docker',
      'oci:list:b',
      'oci:sample:multi',
    ])
    expect(status).toBe(2)
    expect(stderr).toContain(`Cannot put ${images.amd64.digest} into a Docker manifest list`)
  })
})
