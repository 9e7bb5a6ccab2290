import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { OssbError } from '../../../src/core/index.ts'
import {
  createDockerArchiveExporter,
  createOciArchiveExporter,
  createOciLayoutExporter,
} from '../../../src/exporters/index.ts'
import type { Layer } from '../../../src/oci/index.ts'
import { imageOf, recordingJob, tarLayer } from '../../support/sample-image.ts'
import { validateImage } from '../../support/validate-image.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'ossb-export-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

const run = (file: string, ...args: string[]) =>
  execFileSync(file, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
const skopeo = (...args: string[]) => JSON.parse(run('skopeo', ...args)) as { [member: string]: unknown }
const copyToLayout = (from: string) => {
  const layout = join(directory, 'copied')
  run('skopeo', 'copy', '--quiet', '--insecure-policy', from, `oci:${layout}:copied`)
  return layout
}
const unpack = (image: string) => {
  run('umoci', 'unpack', '--rootless', '--image', image, join(directory, 'bundle'))
  return readTree(join(directory, 'bundle', 'rootfs'))
}
const readTree = (root: string) =>
  Object.fromEntries(
    readdirSync(root, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => [path.slice(root.length + 1), readFileSync(path, 'utf8')]),
  )

const image = imageOf([
  tarLayer({ 'etc/a': 'one', 'etc/b': 'two' }),
  tarLayer({ 'etc/b': 'three', 'usr/c': 'x'.repeat(100_000) }, 'uncompressed'),
])
const files = { 'etc/a': 'one', 'etc/b': 'three', 'usr/c': 'x'.repeat(100_000) }

/** A layer whose bytes end too early, or that cannot be read at all. */
const broken = (open: Layer['open']) => imageOf([tarLayer({ a: '1' }), { ...tarLayer({ b: '2' }), open }])
const truncated = broken(async () => Readable.from([Buffer.alloc(10)]))
const unreadable = broken(() => Promise.reject(new OssbError('ERR_OSSB_NOT_FOUND', 'Cannot find the layer')))

describe('createOciLayoutExporter()', () => {
  const exportTo = (dest: string, names: readonly string[], of = image) =>
    createOciLayoutExporter({ dest, names, format: 'oci' }).export([of], recordingJob())

  test('writes a layout that is valid, and that skopeo and umoci read', async () => {
    const dest = join(directory, 'new', 'layout')
    const result = await exportTo(dest, ['example.com/app:1'])
    expect(await validateImage(dest)).toEqual([])
    expect(skopeo('inspect', `oci:${dest}:1`)).toMatchObject({
      Digest: result.descriptor.digest,
      Env: image.config.config?.Env,
    })
    expect(unpack(`${dest}:1`)).toEqual(files)
    expect(result.outputs).toEqual([`oci layout ${dest}`])
  })

  test('is called latest without a name', async () => {
    const dest = join(directory, 'layout')
    await exportTo(dest, [])
    expect(skopeo('inspect', `oci:${dest}:latest`)).toMatchObject({ Architecture: 'amd64' })
  })

  test('adds to a layout that skopeo wrote, and moves a name', async () => {
    const dest = join(directory, 'layout')
    await exportTo(join(directory, 'other'), ['x:old'], imageOf([tarLayer({ old: '1' })]))
    for (const name of ['old', 'app'])
      run(
        'skopeo',
        'copy',
        '--quiet',
        '--insecure-policy',
        `oci:${join(directory, 'other')}:old`,
        `oci:${dest}:${name}`,
      )
    const result = await exportTo(dest, ['example.com/x:app'])
    expect(await validateImage(dest)).toEqual([])
    expect(skopeo('inspect', `oci:${dest}:app`)['Digest']).toBe(result.descriptor.digest)
    expect(skopeo('inspect', `oci:${dest}:old`)['Digest']).not.toBe(result.descriptor.digest)
  })

  test('writes several images as an index of platforms', async () => {
    const dest = join(directory, 'layout')
    const arm = {
      ...imageOf([tarLayer({ arm: '1' })], { architecture: 'arm64' }),
      platform: { os: 'linux', architecture: 'arm64' },
    }
    await createOciLayoutExporter({ dest, names: ['x:1'], format: 'oci' }).export(
      [image, arm],
      recordingJob(),
    )
    expect(await validateImage(dest)).toEqual([])
    expect(skopeo('inspect', '--override-arch', 'arm64', `oci:${dest}:1`)['Architecture']).toBe('arm64')
  })

  test.each([
    ['ends too early', truncated, 'ERR_OSSB_INTEGRITY'],
    ['cannot be read', unreadable, 'ERR_OSSB_NOT_FOUND'],
  ])('leaves the layout as it was when a layer %s', async (_, of, code) => {
    const dest = join(directory, 'layout')
    await exportTo(dest, ['x:1'])
    const before = readFileSync(join(dest, 'index.json'), 'utf8')
    await expect(exportTo(dest, ['x:1'], of)).rejects.toMatchObject({ code })
    expect(readFileSync(join(dest, 'index.json'), 'utf8')).toBe(before)
    expect(await validateImage(dest)).toEqual([])
  })

  test('leaves no directory behind when there was none', async () => {
    await expect(exportTo(join(directory, 'a', 'b'), ['x:1'], truncated)).rejects.toThrow(OssbError)
    expect(readdirSync(directory)).toEqual([])
  })

  test('refuses a layout of another version', async () => {
    writeFileSync(join(directory, 'oci-layout'), '{"imageLayoutVersion":"2.0.0"}')
    await expect(exportTo(directory, ['x:1'])).rejects.toMatchObject({ code: 'ERR_OSSB_OUTPUT' })
    expect(readdirSync(directory)).toEqual(['oci-layout'])
  })

  test('refuses a destination that is a file', async () => {
    writeFileSync(join(directory, 'file'), 'mine')
    await expect(exportTo(join(directory, 'file'), ['x:1'])).rejects.toMatchObject({
      code: 'ERR_OSSB_FILESYSTEM',
    })
    expect(readFileSync(join(directory, 'file'), 'utf8')).toBe('mine')
  })
})

describe('createOciArchiveExporter()', () => {
  const exportTo = (dest: string | Writable, of = image) =>
    createOciArchiveExporter({ dest, names: ['example.com/app:1'], format: 'oci' }).export(
      [of],
      recordingJob(),
    )

  test('writes sorted entries without times and owners, and the same bytes every time', async () => {
    const [first, second] = [join(directory, '1.tar'), join(directory, '2.tar')]
    await exportTo(first)
    await exportTo(second)
    expect(readFileSync(first).equals(readFileSync(second))).toBe(true)
    const listing = run('tar', '--numeric-owner', '--utc', '-tvf', first)
      .replace(/[a-f0-9]{64}/g, '…')
      .replace(/ +/g, ' ')
    const shape = listing
      .trim()
      .split('\n')
      .map((line) => line.replace(/(0\/0) \d+ /, '$1 '))
    expect(shape.filter((line) => !line.includes('…'))).toEqual([
      'drwxr-xr-x 0/0 1970-01-01 00:00 blobs/',
      'drwxr-xr-x 0/0 1970-01-01 00:00 blobs/sha256/',
      '-rw-r--r-- 0/0 1970-01-01 00:00 index.json',
      '-rw-r--r-- 0/0 1970-01-01 00:00 oci-layout',
    ])
    expect(
      shape.filter((line) => /^-r--r--r-- 0\/0 1970-01-01 00:00 blobs\/sha256\/…$/.test(line)),
    ).toHaveLength(4)
    expect(run('tar', '-tf', first).trim().split('\n').toSorted()).toEqual(
      run('tar', '-tf', first).trim().split('\n'),
    )
  })

  test('is valid, and skopeo reads it', async () => {
    const dest = join(directory, 'image.tar')
    const result = await exportTo(dest)
    const layout = join(directory, 'extracted')
    mkdirSync(layout)
    run('tar', '-xf', dest, '-C', layout)
    expect(await validateImage(layout)).toEqual([])
    expect(skopeo('inspect', `oci-archive:${dest}`)['Digest']).toBe(result.descriptor.digest)
    expect(unpack(`${copyToLayout(`oci-archive:${dest}:1`)}:copied`)).toEqual(files)
  })

  test('writes to a stream and does not end it', async () => {
    const chunks: Uint8Array[] = []
    const stream = new Writable({
      highWaterMark: 512,
      write: (chunk: Uint8Array, _, done) => (chunks.push(chunk), setImmediate(done)),
    })
    await exportTo(stream)
    const dest = join(directory, 'image.tar')
    await exportTo(dest)
    expect(stream.writableEnded).toBe(false)
    expect(Buffer.concat(chunks).equals(readFileSync(dest))).toBe(true)
  })

  test.each([
    ['ends too early', truncated, 'ERR_OSSB_INTEGRITY'],
    ['cannot be read', unreadable, 'ERR_OSSB_NOT_FOUND'],
  ])('leaves the previous file and nothing else when a layer %s', async (_, of, code) => {
    const dest = join(directory, 'image.tar')
    writeFileSync(dest, 'previous')
    await expect(exportTo(dest, of)).rejects.toMatchObject({ code })
    expect(readFileSync(dest, 'utf8')).toBe('previous')
    expect(readdirSync(directory)).toEqual(['image.tar'])
  })

  test('leaves the previous file when it is stopped', async () => {
    const dest = join(directory, 'image.tar')
    writeFileSync(dest, 'previous')
    const stop = new AbortController()
    const reason = new OssbError('ERR_OSSB_INTERRUPTED', 'stopped')
    const layer = tarLayer({ b: '2' })
    const open = async () => {
      setTimeout(() => stop.abort(reason), 20)
      return Readable.from(forever())
    }
    const endless = imageOf([{ ...layer, descriptor: { ...layer.descriptor, size: 1e9 }, open }])
    const exporting = createOciArchiveExporter({ dest, names: [], format: 'oci' }).export(
      [endless],
      recordingJob(stop.signal),
    )
    await expect(exporting).rejects.toBe(reason)
    expect(readdirSync(directory)).toEqual(['image.tar'])
    expect(readFileSync(dest, 'utf8')).toBe('previous')
  })

  test('replaces the file behind a symbolic link', async () => {
    writeFileSync(join(directory, 'real.tar'), 'previous')
    symlinkSync('real.tar', join(directory, 'link.tar'))
    await exportTo(join(directory, 'link.tar'))
    expect(skopeo('inspect', `oci-archive:${join(directory, 'real.tar')}`)['Architecture']).toBe('amd64')
    expect(readdirSync(directory).sort()).toEqual(['link.tar', 'real.tar'])
  })

  test('writes into a device and says when it is full', async () => {
    await expect(exportTo('/dev/full')).rejects.toMatchObject({ code: 'ERR_OSSB_NO_SPACE' })
    expect(statSync('/dev/full').isCharacterDevice()).toBe(true)
  })

  test('refuses a directory', async () => {
    await expect(exportTo(directory)).rejects.toThrow(`Cannot write "${directory}": it is a directory`)
  })
})

async function* forever() {
  for (;;) {
    yield Buffer.alloc(1)
    await new Promise((resume) => setImmediate(resume))
  }
}

describe('createDockerArchiveExporter()', () => {
  const exportTo = (dest: string, names: readonly string[], of = image) =>
    createDockerArchiveExporter({ dest, names }).export([of], recordingJob())

  test('writes what skopeo and buildah load, gzip and plain layers alike', async () => {
    const dest = join(directory, 'image.tar')
    await exportTo(dest, ['foo/bar:1', 'localhost:5000/x'])
    expect(JSON.parse(run('tar', '-xOf', dest, 'manifest.json'))).toMatchObject([
      {
        RepoTags: ['foo/bar:1', 'localhost:5000/x:latest'],
        Layers: [expect.stringMatching(/^blobs\/sha256\//), expect.anything()],
      },
    ])
    expect(skopeo('inspect', `docker-archive:${dest}:foo/bar:1`)).toMatchObject({
      Env: image.config.config?.Env,
    })
    expect(unpack(`${copyToLayout(`docker-archive:${dest}:foo/bar:1`)}:copied`)).toEqual(files)
    const store = [
      '--root',
      join(directory, 'root'),
      '--runroot',
      join(directory, 'run'),
      '--storage-driver',
      'vfs',
    ]
    const id = run(
      'buildah',
      ...store,
      'pull',
      '--quiet',
      '--policy',
      'never',
      `docker-archive:${dest}`,
    ).trim()
    expect(id).toMatch(/^[a-f0-9]{64}$/)
    // Buildah's own files can be another user's.
    run('buildah', ...store, 'rmi', '--all')
  })

  test('is an OCI layout with Docker media types as well', async () => {
    const dest = join(directory, 'image.tar')
    await exportTo(dest, [])
    const layout = join(directory, 'extracted')
    mkdirSync(layout)
    run('tar', '-xf', dest, '-C', layout)
    expect(await validateImage(layout)).toEqual([])
    expect(existsSync(join(layout, 'oci-layout'))).toBe(true)
    expect(JSON.parse(readFileSync(join(layout, 'manifest.json'), 'utf8'))).toMatchObject([
      { RepoTags: null },
    ])
  })

  test('refuses several images', async () => {
    const exporting = createDockerArchiveExporter({ dest: join(directory, 'x'), names: [] }).export(
      [image, image],
      recordingJob(),
    )
    await expect(exporting).rejects.toThrow('Cannot write images for 2 platforms to one docker archive')
  })
})
