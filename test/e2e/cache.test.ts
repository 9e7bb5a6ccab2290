import { appendFile, readdir, readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { miniBase } from '../support/base-image.ts'
import { mustRunAsRoot } from '../support/command.ts'
import { identities } from '../support/identity.ts'
import { readProgress } from '../support/progress.ts'
import { readOciArchive } from '../support/read-archive.ts'
import { createWorkspace } from '../support/workspace.ts'

const base = await miniBase()

const DOCKERFILE = `FROM oci-layout://${base}:base
RUN echo first > /first
COPY early /early
RUN cat /early > /second
COPY late /late
RUN cat /late > /third
`

/** Some text that each level compresses in its own way. */
function text(seed: string): string {
  return Array.from({ length: 3000 }, (_, i) => `${seed} ${(i * 7919) % 1013} line ${i % 89}\n`).join('')
}

async function kindOf(path: string): Promise<'tar' | 'other'> {
  return (await readFile(path)).toString('latin1', 257, 262) === 'ustar' ? 'tar' : 'other'
}

describe.each(await identities())('as $name', (identity) => {
  test('a changed file re-runs only what follows it', async () => {
    await using workspace = await createWorkspace(identity)
    await workspace.write({ 'app/Dockerfile': DOCKERFILE, 'app/early': 'a\n', 'app/late': 'b\n' })
    const build = async (...args: string[]): Promise<string[]> => {
      const { stderr } = await workspace.mustOssb(['build', '--progress', 'json', ...args, 'app'])
      const steps = readProgress(stderr).completed.map((name) => /(RUN|COPY) .*/.exec(name)?.[0])
      return steps.filter((step) => step !== undefined)
    }
    expect(await build()).toHaveLength(5)
    expect(await build()).toEqual([])
    await workspace.write({ 'app/late': 'changed\n' })
    expect(await build()).toEqual(['COPY late /late', 'RUN cat /late > /third'])
    await workspace.write({ 'app/unused': 'no step reads it\n' })
    expect(await build()).toEqual([])
    await workspace.write({ 'app/late': 'b\n' })
    expect(await build()).toEqual([])
    expect(await build('--no-cache')).toHaveLength(5)
  })

  test('layers that are in no image are not compressed, and are of use without their snapshots', async () => {
    await using workspace = await createWorkspace(identity)
    await workspace.write({
      'app/Dockerfile': `FROM oci-layout://${base}:base AS tools
RUN echo tool > /tool && ln /tool /link
FROM oci-layout://${base}:base
COPY --from=tools /tool /copy
COPY late /late
`,
      'app/late': text('a'),
    })
    const build = async (...args: string[]) => {
      const options = ['--progress', 'json', '-o', 'type=oci,dest=out.tar', ...args]
      const { stderr } = await workspace.mustOssb(['build', ...options, 'app'])
      const { manifest, config } = await readOciArchive(workspace.file('out.tar'))
      const added = manifest.layers.slice(-2)
      return { steps: readProgress(stderr).completed, added, diffIds: config.rootfs.diff_ids }
    }
    const first = await build()
    // The base's layer, the config, both layers of the image, and that of the other stage: a plain tar.
    const blobs = await readdir(workspace.file('ossb/blobs/sha256'))
    const kinds = await Promise.all(blobs.map((blob) => kindOf(workspace.file(`ossb/blobs/sha256/${blob}`))))
    expect(kinds.filter((kind) => kind === 'tar')).toHaveLength(1)

    await mustRunAsRoot('rm', ['-rf', workspace.file('ossb/snapshots')])
    await workspace.write({ 'app/late': text('b') })
    const second = await build()
    expect(second.steps.filter((name) => name.includes('RUN'))).toEqual([])
    expect(second.added[0]).toEqual(first.added[0])

    const others = [
      ['--compression', 'zstd'],
      ['--compression-level', '1'],
      ['--compression', 'uncompressed'],
    ]
    const digests = new Set([second.added[1]?.digest])
    for (const args of others) {
      const other = await build(...args)
      expect(other.steps.filter((name) => /RUN|COPY/.test(name))).toEqual([])
      expect(other.diffIds).toEqual(second.diffIds)
      digests.add(other.added[1]?.digest)
    }
    expect(digests.size).toBe(4)
    expect((await build()).added).toEqual(second.added)
  })

  test('ossb cache info counts what there is, and ossb cache prune removes it', async () => {
    await using workspace = await createWorkspace(identity)
    const info = async (): Promise<Record<string, never>> =>
      JSON.parse((await workspace.mustOssb(['cache', 'info', '--format', 'json'])).stdout)
    expect(await info()).toMatchObject({ steps: { count: 0 }, blobs: { count: 0 }, images: [] })

    await workspace.write({ 'app/Dockerfile': DOCKERFILE, 'app/early': 'a\n', 'app/late': 'b\n' })
    await workspace.mustOssb(['build', '-t', 'kept:1', 'app'])
    const full = (await info()) as unknown as {
      steps: { count: number }
      images: { name: string }[]
      totalBytes: number
    }
    expect(full.steps.count).toBeGreaterThanOrEqual(5)
    expect(full.images.map(({ name }) => name)).toEqual(['docker.io/library/kept:1'])
    expect((await workspace.mustOssb(['cache', 'info'])).stdout).toContain('kept:1')

    await workspace.mustOssb(['cache', 'prune', '--force'])
    const pruned = (await info()) as unknown as typeof full
    expect(pruned.steps.count).toBe(0)
    expect(pruned.images).toHaveLength(1)
    expect(pruned.totalBytes).toBeLessThan(full.totalBytes)

    await workspace.mustOssb(['cache', 'prune', '--all', '--force'])
    expect(await info()).toMatchObject({
      steps: { count: 0 },
      blobs: { count: 0 },
      snapshots: { count: 0 },
      images: [],
    })
    await workspace.mustOssb(['build', 'app'])
    expect(await workspace.leftovers()).toEqual([])
  })

  test('ossb cache verify finds what is damaged, and the next build makes it again', async () => {
    await using workspace = await createWorkspace(identity)
    await workspace.write({ 'app/Dockerfile': DOCKERFILE, 'app/early': 'a\n', 'app/late': 'b\n' })
    const build = () =>
      workspace.mustOssb(['build', '-o', 'type=oci,dest=out.tar,tar=false', '--progress', 'json', 'app'])
    const { stderr } = await build()
    expect((await workspace.mustOssb(['cache', 'verify'])).stdout).toMatch(
      /^Read \d+ blobs .*: all is well$/m,
    )
    const blobs = await readdir(workspace.file('ossb/blobs/sha256'))
    for (const blob of blobs) await appendFile(workspace.file(`ossb/blobs/sha256/${blob}`), 'x')
    const verified = await workspace.ossb(['cache', 'verify', '--format', 'json'])
    expect(verified.status).toBe(1)
    expect(JSON.parse(verified.stdout).damaged).toHaveLength(blobs.length)
    const again = await build()
    const results = [stderr, again.stderr].map((text) => JSON.parse(text.trim().split('\n').at(-1) ?? ''))
    expect(results[1]).toMatchObject({ type: 'result' })
    expect(await workspace.mustOssb(['cache', 'verify'])).toMatchObject({ status: 0 })
    expect(await workspace.leftovers()).toEqual([])
  })

  test('ossb cache prune takes what is old, or too much, and leaves what is of use', async () => {
    await using workspace = await createWorkspace(identity)
    await workspace.write({ 'app/Dockerfile': DOCKERFILE, 'app/early': 'a\n', 'app/late': 'b\n' })
    const build = async () =>
      readProgress((await workspace.mustOssb(['build', '--progress', 'json', 'app'])).stderr).completed
    const prune = (...args: string[]) => workspace.mustOssb(['cache', 'prune', '--force', ...args])
    const info = async () =>
      JSON.parse((await workspace.mustOssb(['cache', 'info', '--format', 'json'])).stdout)
    await build()
    await prune('--older-than', '1h', '--keep-storage', '100g')
    await prune('--filter', 'type=snapshots')
    expect(await info()).toMatchObject({
      steps: { count: 10, exec: 3, file: 2 },
      snapshots: { count: 0 },
      found: { hits: { exec: 0, file: 0 }, misses: { exec: 3, file: 2 } },
    })
    expect((await build()).filter((name) => /RUN|COPY/.test(name))).toEqual([])
    expect((await info()).found.hits).toEqual({ exec: 3, file: 2 })
    await prune('--keep-storage', '1k')
    expect(await info()).toMatchObject({ steps: { count: 0 } })
    expect((await build()).filter((name) => /RUN|COPY/.test(name))).toHaveLength(5)
  })

  test('two builds at once share a cache, run shared steps into the same layers, and both succeed', async () => {
    await using workspace = await createWorkspace(identity)
    await workspace.write({ 'app/Dockerfile': DOCKERFILE, 'app/early': 'a\n', 'app/late': 'b\n' })
    await workspace.write({
      'other/Dockerfile': `${DOCKERFILE}RUN echo more > /more\n`,
      'other/early': 'a\n',
      'other/late': 'b\n',
    })
    const build = (context: string, dest: string): Promise<unknown> =>
      workspace.mustOssb([
        'build',
        '-t',
        `${dest}:1`,
        '-o',
        `type=oci,dest=${dest}.tar`,
        '-o',
        'image',
        context,
      ])
    await Promise.all([build('app', 'one'), build('app', 'two'), build('other', 'three')])
    await build('app', 'four')
    const images = await Promise.all(
      ['one', 'two', 'three', 'four'].map((dest) => readOciArchive(workspace.file(`${dest}.tar`))),
    )
    expect(images.map(({ config }) => config.rootfs.diff_ids.length)).toEqual([6, 6, 7, 6])
    const { stdout } = await workspace.mustOssb(['cache', 'info', '--format', 'json'])
    expect(JSON.parse(stdout).images).toHaveLength(4)
    expect(await workspace.leftovers()).toEqual([])
  })
})
