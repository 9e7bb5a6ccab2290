import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, mkdirSync, openSync, readFileSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { applyLayer, encodeTarHeader, isTarHeader } from '../../../src/layer/index.ts'
import {
  archive,
  entriesOfTar,
  fileSession,
  IDLE,
  inPieces,
  listTree,
  newDirectory,
} from '../../support/layer-files.ts'
import { tarHeader } from '../../support/tar-header.ts'

const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex')

/** Everything in an archive: path, type and what the content hashes to. */
async function contents(tar: Uint8Array, piece?: number): Promise<Record<string, string>> {
  return Object.fromEntries(
    (await entriesOfTar(inPieces(tar, piece))).map(({ header, content }) => {
      if (header.type === 'file') expect(content).toHaveLength(header.size)
      return [header.path.replace(/^\.\//, ''), `${header.type} ${header.linkTarget} ${md5(content)}`]
    }),
  )
}

function gnuTar(directory: string, ...options: readonly string[]): Buffer {
  return execFileSync('tar', ['-c', '--sort=name', ...options, '.'], {
    cwd: directory,
    maxBuffer: 64 * 1024 * 1024,
  })
}

describe('readTar() reads what GNU tar writes', () => {
  let source = ''
  let long = ''
  beforeAll(() => {
    source = newDirectory()
    mkdirSync(join(source, 'd'))
    writeFileSync(join(source, 'd/file'), 'some text')
    writeFileSync(join(source, 'empty'), '')
    execFileSync('ln', [join(source, 'd/file'), join(source, 'link')])
    execFileSync('ln', ['-s', 'd/file', join(source, 'symlink')])
    long = newDirectory()
    const deep = `${'directory/'.repeat(20)}${'name'.repeat(40)}`
    execFileSync(
      'sh',
      [
        '-euc',
        `mkdir -p "$(dirname "${deep}")"; echo long > "${deep}"; ln -s "${'target/'.repeat(30)}" link; ln "${deep}" hard; : > naïve`,
      ],
      { cwd: long },
    )
  })

  test.each(['v7', 'ustar', 'posix', 'gnu', 'oldgnu'])('--format=%s', async (format) => {
    const found = await contents(gnuTar(source, `--format=${format}`))
    expect(found).toEqual({
      '': `directory  ${md5(Buffer.alloc(0))}`,
      'd/': `directory  ${md5(Buffer.alloc(0))}`,
      'd/file': `file  ${md5(Buffer.from('some text'))}`,
      empty: `file  ${md5(Buffer.alloc(0))}`,
      link: `hardlink ./d/file ${md5(Buffer.alloc(0))}`,
      symlink: `symlink d/file ${md5(Buffer.alloc(0))}`,
    })
  })

  test.each(['posix', 'gnu', 'oldgnu'])('long names and links with --format=%s', async (format) => {
    const root = newDirectory()
    await applyLayer(inPieces(gnuTar(long, `--format=${format}`)), { root }, fileSession(), IDLE)
    const withoutTimes = (lines: readonly string[]) => lines.map((line) => line.replace(/@\d+/, ''))
    expect(withoutTimes(await listTree(root))).toEqual(withoutTimes(await listTree(long)))
  })

  test('nanoseconds of --format=posix', async () => {
    const root = newDirectory()
    execFileSync('touch', ['-d', '2001-02-03 04:05:06.123456789', join(source, 'empty')])
    await applyLayer(inPieces(gnuTar(source, '--format=posix')), { root }, fileSession(), IDLE)
    expect(await listTree(root)).toContainEqual(expect.stringMatching(/^empty .*06123456789$/))
  })

  describe.each([
    ['--format=gnu'],
    ['--format=posix', '--sparse-version=0.0'],
    ['--format=posix', '--sparse-version=0.1'],
    ['--format=posix', '--sparse-version=1.0'],
  ])('sparse files with %s %s', (...format) => {
    test.each<[string, number, readonly number[]]>([
      ['only a hole', 2_000_000, []],
      ['data at the end', 1_000_000, [999_000]],
      ['data at the start and a hole', 1_000_000, [0]],
      ['one hundred pieces', 30_000_000, Array.from({ length: 100 }, (_, i) => i * 262_144 + (i % 7))],
    ])('%s', async (_what, size, offsets) => {
      const directory = newDirectory()
      const path = join(directory, `sparse${'-long'.repeat(30)}`)
      const fd = openSync(path, 'w')
      for (const offset of offsets) writeSync(fd, `data at ${offset}`, offset)
      closeSync(fd)
      truncateSync(path, size)
      writeFileSync(join(directory, 'zz-after'), 'after')
      const tar = gnuTar(directory, '--sparse', ...format)
      expect(tar.length).toBeLessThan(4_000_000)
      const found = await contents(tar, 10_007)
      expect(found[`sparse${'-long'.repeat(30)}`]).toBe(`file  ${md5(readFileSync(path))}`)
      expect(found['zz-after']).toBe(`file  ${md5(Buffer.from('after'))}`)
    })
  })
})

describe('readTar() reads', () => {
  test('records of a global pax header, until the next one, below those of an entry', async () => {
    const record = (text: string) => {
      const rest = text.length + 2
      return `${rest + (rest < 9 ? 1 : 2)} ${text}\n`
    }
    const pax = (flag: 'g' | 'x', ...records: readonly string[]) => {
      const body = Buffer.from(records.map(record).join(''))
      const head = Buffer.from(encodeTarHeader(tarHeader({ path: 'pax', size: body.length })))
      head.write(flag, 156)
      head.fill(0x20, 148, 156)
      head.write(
        `${head
          .reduce((sum, byte) => sum + byte, 0)
          .toString(8)
          .padStart(6, '0')}\0 `,
        148,
      )
      return Buffer.concat([head, body, Buffer.alloc(512 - body.length)])
    }
    const one = (path: string) => archive({ path, uid: 1, mtimeNs: 1_000_000_000n }).subarray(0, 512)
    const tar = Buffer.concat([
      pax('g', 'uid=77', 'mtime=12.5', 'comment=x'),
      one('a'),
      pax('x', 'uid=8', 'path=renamed'),
      one('b'),
      pax('g', 'uid='),
      one('c'),
      Buffer.alloc(1024),
    ])
    const found = (await entriesOfTar(inPieces(tar))).map(({ header }) => header)
    expect(found.map(({ path, uid, mtimeNs }) => `${path} ${uid} ${mtimeNs}`)).toEqual([
      'a 77 12500000000',
      'renamed 8 12500000000',
      'c 1 12500000000',
    ])
  })

  test('numbers in binary, and with blanks and NULs around them', async () => {
    const block = Buffer.from(archive({ path: 'f' }).subarray(0, 512))
    block.write('   755 \0', 100)
    block.set([0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff], 108)
    block.write('\0\0\0\0\0\0\0\0', 116)
    block.set(Buffer.from('ffffffffffffffffffffffff', 'hex'), 136)
    block.fill(0x20, 148, 156)
    block.write(`${block.reduce((sum, byte) => sum + byte, 0).toString(8)}\0`, 148)
    const [entry] = await entriesOfTar(inPieces(block))
    expect(entry?.header).toMatchObject({ mode: 0o755, uid: 0x7fffffff, gid: 0, mtimeNs: -1_000_000_000n })
  })

  test('an archive without a trailer, an empty one, and one in pieces of one byte', async () => {
    const tar = archive({ path: 'a', content: 'x' }, { path: 'b', content: 'y'.repeat(600) })
    const expected = { a: `file  ${md5(Buffer.from('x'))}`, b: `file  ${md5(Buffer.from('y'.repeat(600)))}` }
    expect(await contents(tar, 1)).toEqual(expected)
    expect(await contents(tar.subarray(0, -1024))).toEqual(expected)
    expect(await contents(Buffer.alloc(0))).toEqual({})
    expect(await contents(Buffer.alloc(10_240))).toEqual({})
  })

  test('the stream to its end, whatever follows the archive', async () => {
    const tar = Buffer.concat([
      archive({ path: 'a', content: 'x'.repeat(5000) }, { path: 'b' }),
      Buffer.alloc(10_000, 1),
    ])
    let seen = 0
    async function* counted() {
      for await (const piece of inPieces(tar)) {
        seen += piece.length
        yield piece
      }
    }
    const found = await entriesOfTar(counted())
    expect(found.map(({ header }) => header.path)).toEqual(['a', 'b'])
    expect(seen).toBe(tar.length)
  })
})

describe('readTar() refuses', () => {
  const whole = archive({ path: 'file', content: 'x'.repeat(1000) }, { path: 'n'.repeat(120), content: 'y' })
  const damaged = (change: (tar: Buffer) => void) => {
    const tar = Buffer.from(whole)
    change(tar)
    return tar
  }

  test.each<[string, Uint8Array, string]>([
    ['an end in a header', whole.subarray(0, 300), 'it ends in the middle of a header'],
    ['an end in a file', whole.subarray(0, 700), 'it ends in the middle of "file"'],
    ['an end in a pax header', whole.subarray(0, 2100), 'it ends in the middle of a header'],
    ['a wrong checksum', damaged((tar) => tar.write('X', 0)), 'a header has a wrong checksum'],
    [
      'a checksum that is no number',
      damaged((tar) => tar.write('zzzzzz', 148)),
      'a header has a field that is not a number',
    ],
    ['a pax record without a length', damaged((tar) => tar.write('path', 2048)), 'a pax header is malformed'],
    ['a pax record that is too long', damaged((tar) => tar.write('999', 2048)), 'a pax header is malformed'],
    ['something else', Buffer.alloc(600, 'text '), 'a header has a field that is not a number'],
  ])('%s', async (_what, tar, message) => {
    await expect(contents(tar)).rejects.toMatchObject({
      code: 'ERR_OSSB_LAYER_INVALID',
      message: `Cannot read the tar archive: ${message}`,
    })
  })

  test('a name that is not UTF-8', async () => {
    const directory = newDirectory()
    spawnSync('sh', ['-c', 'touch "$(printf \'caf\\351\')"'], { cwd: directory })
    await expect(contents(gnuTar(directory))).rejects.toThrow('is not UTF-8')
  })
})

test.each<[string, Buffer, boolean]>([
  ['a header', archive({}).subarray(0, 512), true],
  ['a block of zeros', Buffer.alloc(512), false],
  ['a text', Buffer.alloc(512, 'text'), false],
  ['a part of a header', archive({}).subarray(0, 511), false],
])('isTarHeader() of %s is %s', (_what, block, expected) => {
  expect(isTarHeader(block)).toBe(expected)
})
