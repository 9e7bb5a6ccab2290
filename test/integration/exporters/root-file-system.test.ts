import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type FileEntry, OssbError } from '../../../src/core/index.ts'
import {
  createLocalDirExporter,
  createRootfsTarExporter,
  type RootFileSystems,
} from '../../../src/exporters/index.ts'
import { readFileEntry } from '../../../src/fs/index.ts'
import { imageOf, recordingJob } from '../../support/sample-image.ts'

/** 255 bytes of UTF-8, the most that Linux takes. */
const LONGEST_NAME = '層'.repeat(85)

let directory: string
let rootfs: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'ossb-rootfs-'))
  rootfs = join(directory, 'rootfs')
  mkdirSync(join(rootfs, 'etc'), { recursive: true })
  mkdirSync(join(rootfs, 'locked'))
  writeFileSync(join(rootfs, 'etc', 'a'), 'one')
  linkSync(join(rootfs, 'etc', 'a'), join(rootfs, 'etc', 'hard'))
  chmodSync(join(rootfs, 'etc', 'a'), 0o4711)
  symlinkSync('/etc/passwd', join(rootfs, 'etc', 'link'))
  writeFileSync(join(rootfs, 'large'), Buffer.alloc(9 * 1024 * 1024, 'x'))
  writeFileSync(join(rootfs, 'locked', 'inside'), 'two')
  writeFileSync(join(rootfs, LONGEST_NAME), 'three')
  chmodSync(join(rootfs, 'locked'), 0o555)
  execFileSync('mkfifo', [join(rootfs, 'pipe')])
  utimesSync(join(rootfs, 'etc', 'a'), 1_600_000_000, 1_600_000_000.25)
  utimesSync(join(rootfs, 'etc'), 1_500_000_000, 1_500_000_000)
})
afterEach(() => execFileSync('sh', ['-c', 'chmod -R u+rwx "$1" && rm -rf "$1"', '-', directory]))

function* entriesOf(root: string, path = ''): Generator<FileEntry> {
  yield readFileEntry(join(root, path), path)
  if (!lstatSync(join(root, path)).isDirectory()) return
  for (const name of readdirSync(join(root, path)).sort())
    yield* entriesOf(root, path === '' ? name : `${path}/${name}`)
}

const roots: RootFileSystems = {
  use: (_, action) => action(rootfs),
  async *walk(root) {
    yield* entriesOf(root)
  },
}
const image = imageOf([])

describe('createLocalDirExporter()', () => {
  const exportTo = async (dest: string, job = recordingJob()) => {
    const result = await createLocalDirExporter({ dest, roots }).export([image], job)
    return { result, job }
  }

  test('copies files with modes, times, symbolic links and hard links, and leaves devices and pipes out', async () => {
    const dest = join(directory, 'new', 'out')
    const { job, result } = await exportTo(dest)
    expect(readFileSync(join(dest, 'etc', 'a'), 'utf8')).toBe('one')
    expect(lstatSync(join(dest, 'etc', 'a')).mode & 0o7777).toBe(0o4711)
    expect(lstatSync(join(dest, 'etc', 'a')).mtimeMs).toBeCloseTo(1_600_000_000_250, 2)
    expect(lstatSync(join(dest, 'etc')).mtimeMs).toBe(1_500_000_000_000)
    expect(lstatSync(join(dest, 'etc', 'hard')).ino).toBe(lstatSync(join(dest, 'etc', 'a')).ino)
    expect(readlinkSync(join(dest, 'etc', 'link'))).toBe('/etc/passwd')
    expect(lstatSync(join(dest, 'locked')).mode & 0o7777).toBe(0o555)
    expect(readFileSync(join(dest, 'locked', 'inside'), 'utf8')).toBe('two')
    expect(readFileSync(join(dest, LONGEST_NAME), 'utf8')).toBe('three')
    expect(statSync(join(dest, 'large')).size).toBe(9 * 1024 * 1024)
    expect(statSync(join(dest, 'etc', 'a')).uid).toBe(process.getuid?.())
    expect(existsSync(join(dest, 'pipe'))).toBe(false)
    expect(job.events.filter(({ type }) => type === 'warning')).toEqual([
      {
        type: 'warning',
        rule: 'LocalOutputSkipped',
        message: `Left out of "${dest}", because they are devices, pipes or sockets: /pipe`,
      },
    ])
    expect(result.outputs).toEqual([`directory ${dest}`])
  })

  test('copies over what is there, keeps other files, and can be repeated', async () => {
    const dest = join(directory, 'out')
    mkdirSync(join(dest, 'etc'), { recursive: true })
    writeFileSync(join(dest, 'etc', 'mine'), 'mine')
    writeFileSync(join(dest, 'etc', 'a'), 'old')
    await exportTo(dest)
    await exportTo(dest)
    expect(readFileSync(join(dest, 'etc', 'mine'), 'utf8')).toBe('mine')
    expect(readFileSync(join(dest, 'etc', 'a'), 'utf8')).toBe('one')
    expect(readdirSync(join(dest, 'etc')).sort()).toEqual(['a', 'hard', 'link', 'mine'])
  })

  test('replaces symbolic links in the destination and never writes through them', async () => {
    const dest = join(directory, 'out')
    const outside = join(directory, 'outside')
    mkdirSync(dest)
    mkdirSync(outside)
    writeFileSync(join(outside, 'canary'), 'alive')
    symlinkSync(outside, join(dest, 'etc'))
    symlinkSync(join(outside, 'canary'), join(dest, 'large'))
    await exportTo(dest)
    expect(readdirSync(outside)).toEqual(['canary'])
    expect(readFileSync(join(outside, 'canary'), 'utf8')).toBe('alive')
    expect(lstatSync(join(dest, 'etc')).isDirectory()).toBe(true)
    expect(lstatSync(join(dest, 'large')).isFile()).toBe(true)
  })

  test('does not remove a directory with files in it for a file', async () => {
    const dest = join(directory, 'out')
    mkdirSync(join(dest, 'large', 'mine'), { recursive: true })
    await expect(exportTo(dest)).rejects.toThrow(
      `Cannot write "${dest}/large": a directory with files in it is in the way`,
    )
    expect(existsSync(join(dest, 'large', 'mine'))).toBe(true)
    rmSync(join(dest, 'large', 'mine'), { recursive: true })
    await exportTo(dest)
    expect(lstatSync(join(dest, 'large')).isFile()).toBe(true)
  })

  test('stops with the reason of the signal and leaves no temporary file', async () => {
    const dest = join(directory, 'out')
    const reason = new OssbError('ERR_OSSB_INTERRUPTED', 'stopped')
    await expect(exportTo(dest, recordingJob(AbortSignal.abort(reason)))).rejects.toBe(reason)
    expect(readdirSync(dest)).toEqual([])
  })

  test('refuses a destination that is a file', async () => {
    writeFileSync(join(directory, 'file'), 'mine')
    await expect(exportTo(join(directory, 'file'))).rejects.toMatchObject({ code: 'ERR_OSSB_FILESYSTEM' })
  })
})

describe('createRootfsTarExporter()', () => {
  test('writes a tar that GNU tar unpacks to the same tree', async () => {
    const dest = join(directory, 'rootfs.tar')
    await createRootfsTarExporter({ dest, roots }).export([image], recordingJob())
    const out = join(directory, 'unpacked')
    mkdirSync(out)
    execFileSync('tar', ['-xpf', dest, '-C', out, '--delay-directory-restore'])
    const shapeOf = (root: string) =>
      [...entriesOf(root)]
        .slice(1)
        .map(({ path, type, mode, size, uid, gid, mtimeNs, nlink, linkTarget }) => ({
          path,
          type,
          mode,
          size,
          uid,
          gid,
          nlink,
          linkTarget,
          seconds: mtimeNs / 1_000_000_000n,
        }))
    expect(shapeOf(out)).toEqual(shapeOf(rootfs))
  })

  test('leaves the previous file when the tree cannot be read', async () => {
    const dest = join(directory, 'rootfs.tar')
    writeFileSync(dest, 'previous')
    const failing: RootFileSystems = {
      ...roots,
      async *walk(root) {
        yield readFileEntry(join(root, 'etc'), 'etc')
        throw new OssbError('ERR_OSSB_FILESYSTEM', 'Cannot read the tree')
      },
    }
    await expect(
      createRootfsTarExporter({ dest, roots: failing }).export([image], recordingJob()),
    ).rejects.toThrow('Cannot read the tree')
    expect(readFileSync(dest, 'utf8')).toBe('previous')
    expect(readdirSync(directory).sort()).toEqual(['rootfs', 'rootfs.tar'])
  })
})
