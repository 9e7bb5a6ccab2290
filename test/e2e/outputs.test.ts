import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { miniBase } from '../support/base-image.ts'
import { mustRun, mustRunAsRoot } from '../support/command.ts'
import { differences, listDirectory, listTarFile } from '../support/compare-rootfs.ts'
import { identities } from '../support/identity.ts'
import { createWorkspace } from '../support/workspace.ts'

const base = await miniBase()

const DOCKERFILE = `FROM oci-layout://${base}:base
COPY --chown=12:34 file /app/
RUN ln /app/file /app/again && ln -s file /app/link && mkdir -m 1777 /app/open && rm /bin/vi
LABEL kind=test
`

describe.each(await identities())('as $name', (identity) => {
  test('one build writes every kind of output, and they agree', async () => {
    await using workspace = await createWorkspace(identity)
    await workspace.write({ 'app/Dockerfile': DOCKERFILE, 'app/file': 'content\n' })
    const outputs = [
      'type=oci,dest=a.tar',
      'type=oci,dest=layout,tar=false',
      'type=docker,dest=d.tar',
      'type=tar,dest=r.tar',
      'type=local,dest=root',
    ]
    const build = ['build', '-t', 'all/kinds:1', '--metadata-file', 'meta.json']
    await workspace.mustOssb([...build, ...outputs.flatMap((output) => ['-o', output]), 'app'])
    await workspace.mustOssb([...build, '--iidfile', 'id', 'app'])

    const inspect = async (image: string): Promise<{ Digest: string; Labels: unknown }> =>
      JSON.parse(await mustRunAsRoot('skopeo', ['inspect', image]))
    const archive = await inspect(`oci-archive:${workspace.file('a.tar')}`)
    const layout = await inspect(`oci:${workspace.file('layout')}`)
    expect(layout.Digest).toBe(archive.Digest)
    expect(archive.Labels).toEqual({ kind: 'test' })
    expect((await inspect(`docker-archive:${workspace.file('d.tar')}`)).Labels).toEqual({ kind: 'test' })
    const configOf = (image: string): Promise<string> =>
      mustRunAsRoot('skopeo', ['inspect', '--config', '--raw', image])
    expect(await configOf(`docker-archive:${workspace.file('d.tar')}:all/kinds:1`)).toBe(
      await configOf(`oci-archive:${workspace.file('a.tar')}`),
    )

    const files = await listTarFile(workspace.file('r.tar'))
    expect(files.get('/app/file')).toContain('file 0644 12:34 8 ')
    expect(files.get('/app/again')).toBe(files.get('/app/file'))
    expect(files.get('/app/link')).toContain('-> file')
    expect(files.get('/app/open')).toContain('directory 1777')
    expect(files.has('/bin/vi')).toBe(false)
    // Who a file belongs to is lost in a directory: it is the caller's, as far as the caller may say.
    const ownerless = (listing: ReadonlyMap<string, string>): Map<string, string> =>
      new Map([...listing].map(([path, text]) => [path, text.replace(/ \d+:\d+/, '')]))
    const local = ownerless(await listDirectory(workspace.file('root')))
    expect(differences(local, ownerless(files), ['/'])).toEqual([])

    const meta = JSON.parse(await readFile(workspace.file('meta.json'), 'utf8'))
    expect(meta['containerimage.digest']).toBe(archive.Digest)
    expect(await readFile(workspace.file('id'), 'utf8')).toBe(meta['containerimage.config.digest'])
    expect(await workspace.leftovers()).toEqual([])
  })

  test('estargz: what other programs unpack has its table, what is written as files has not', async () => {
    await using workspace = await createWorkspace(identity)
    await workspace.write({ 'app/Dockerfile': DOCKERFILE, 'app/file': 'content\n' })
    const build = async (name: string, ...more: string[]) => {
      const output = `type=oci,dest=${name},tar=false,compression=estargz`
      await workspace.mustOssb(['build', '-o', output, ...more, 'app'])
      const raw = await mustRunAsRoot('skopeo', ['inspect', '--raw', `oci:${workspace.file(name)}`])
      return JSON.parse(raw) as {
        layers: { mediaType: string; annotations?: Record<string, string>; digest: string }[]
      }
    }
    const { layers } = await build('first', '-o', 'type=tar,dest=r.tar')
    const [below, ...made] = layers
    expect(below?.annotations).toBeUndefined()
    expect(made).toHaveLength(2)
    for (const { mediaType, annotations } of made) {
      expect(mediaType).toBe('application/vnd.oci.image.layer.v1.tar+gzip')
      expect(annotations).toEqual({
        'containerd.io/snapshot/stargz/toc.digest': expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
        'io.containers.estargz.uncompressed-size': expect.stringMatching(/^\d+$/),
      })
    }
    // A second build finds the steps, and what they were compressed as; its base layer keeps its own bytes.
    expect((await build('second')).layers).toEqual(layers)
    const copy = workspace.file('copy')
    await mustRunAsRoot('skopeo', ['copy', `oci:${workspace.file('first')}`, `oci:${copy}:e`])
    await mustRunAsRoot('umoci', ['raw', 'unpack', '--image', `${copy}:e`, workspace.file('unpacked')])
    const unpacked = await listDirectory(workspace.file('unpacked'))
    const plain = await listTarFile(workspace.file('r.tar'))
    expect(unpacked.get('/app/file')).toMatch(/^file 0644 \d+:\d+ 8 /)
    expect([...unpacked.keys()].filter((path) => path !== '/' && !plain.has(path)).sort()).toEqual([
      '/.no.prefetch.landmark',
      '/stargz.index.json',
    ])
    const inline = ['build', '--compression', 'estargz', '--cache-to', 'type=inline', 'app']
    expect(await workspace.ossb(inline)).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('inline cache'),
    })
  })

  test('buildah loads the docker archive as podman and docker do', async () => {
    await using workspace = await createWorkspace(identity)
    await workspace.write({ 'app/Dockerfile': `FROM oci-layout://${base}:base\nRUN echo x > /x\n` })
    await workspace.mustOssb([
      'build',
      '-t',
      'registry.example/load/me:1',
      '-o',
      'type=docker,dest=d.tar',
      'app',
    ])
    const storage = [
      '--storage-driver',
      'vfs',
      '--root',
      workspace.file('st'),
      '--runroot',
      workspace.file('sr'),
    ]
    await mustRunAsRoot('buildah', [...storage, 'pull', `docker-archive:${workspace.file('d.tar')}`])
    const images = await mustRunAsRoot('buildah', [...storage, 'images', '--json'])
    expect(JSON.parse(images)[0].names).toEqual(['registry.example/load/me:1'])
  })

  test('an output to standard output is the tar and nothing else', async () => {
    await using workspace = await createWorkspace(identity)
    await workspace.write({ 'app/Dockerfile': 'FROM scratch\nCOPY file /\n', 'app/file': 'x\n' })
    const { stdout } = await workspace.mustOssb(['build', '-o', 'type=tar,dest=-', 'app'])
    expect(await mustRun('tar', ['-tf', '-'], { input: stdout })).toBe('file\n')
  })
})
