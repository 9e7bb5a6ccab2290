import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { createCodec } from '../../../src/codec/index.ts'
import { createPatternMatcher, type SourceTree } from '../../../src/fs/index.ts'
import { type CopyAction, createVertex, type FileAction, type FileOp } from '../../../src/graph/index.ts'
import type { WorkingRoot } from '../../../src/snapshot/index.ts'
import { createFileRunner } from '../../../src/solver/index.ts'
import {
  archive,
  bytesOf,
  entriesOf,
  fileSession,
  IDLE,
  inPieces,
  newDirectory,
} from '../../support/layer-files.ts'

const codec = createCodec({ workers: 0 })
const CAPABILITY = Buffer.from('0100000200040000000000000000000000000000', 'hex')

/** The context of every case. */
const CONTEXT = `
  umask 022
  mkdir -p dir/sub/deep other
  echo f > file; echo g > file2; chown 12:34 file; chmod 4750 file
  echo a > dir/a; echo b > dir/sub/b; chmod 750 dir/sub; chown 7:8 dir/sub dir/sub/b
  ln -s a dir/link; ln dir/a dir/hard; mkfifo dir/pipe
  echo o > other/o; echo oa > other/a
  ln -s dir dirlink; ln -s file filelink; ln -s ../.. escape; ln -s nowhere broken; ln -s /dir/sub absolute
  touch -h -d '2001-01-01 00:00:01Z' file file2 dir/* dir/sub/* other/* filelink
  touch -d '2001-01-01 00:00:02Z' dir/sub dir other .`

/** Where everything is copied to; it has its users. */
const ROOT = `
  umask 022
  mkdir -p etc work/existing/sub; chmod 711 work/existing work/existing/sub; chown 3:4 work/existing work/existing/sub
  echo old > work/oldfile; echo old > work/existing/a; ln -s existing work/dirlink; ln -s oldfile work/filelink
  ln -s /work/made work/dangling; ln -s ../../../../../outside work/escape
  printf 'root:x:0:0::/:/bin/sh\\napp:x:1234:2345::/:/bin/sh\\n' > etc/passwd
  printf 'root:x:0:\\nstaff:x:50:\\n' > etc/group`

interface Place {
  readonly context: string
  readonly root: string
}

function makePlace(context = CONTEXT, root = ROOT): Place {
  const directory = newDirectory()
  const place = { context: join(directory, 'context'), root: join(directory, 'root') }
  for (const [path, script] of [
    [place.context, context],
    [place.root, root],
  ] as const) {
    mkdirSync(path)
    execFileSync('sh', ['-euc', script], { cwd: path })
  }
  return place
}

const DEFAULTS = {
  input: 1,
  ownership: 'root',
  unpack: false,
  exclude: [],
  parents: false,
  link: false,
} as const

function copyAction(
  sources: readonly string[],
  destination: string,
  more: Partial<CopyAction> = {},
): CopyAction {
  return { type: 'copy', ...DEFAULTS, sources, destination, ...more }
}

async function perform(
  { context, root }: Place,
  actions: readonly FileAction[],
  tree: Partial<SourceTree> = {},
) {
  const op: FileOp = { kind: 'file', actions }
  const working = { rootfs: root } as WorkingRoot
  const trees = new Map([[1, { root: context, ...tree }]])
  await createFileRunner(fileSession(), codec).run(
    op,
    createVertex(op, [], { name: '' }),
    working,
    trees,
    IDLE,
  )
}

/** What is below /work and differs from the start: `path type mode owner @seconds content`; times of today as @now. */
async function outcome({ root }: Place): Promise<readonly string[]> {
  const first = new Map<bigint, string>()
  const lines = (await entriesOf(root)).flatMap((entry) => {
    const { path, type, mode, uid, gid, mtimeNs, linkTarget, ino, nlink, capability } = entry
    if (/^(|etc|etc\/.*|work)$/.test(path)) return []
    const seconds = mtimeNs > 1_500_000_000_000_000_000n ? 'now' : mtimeNs / 1_000_000_000n - 978_307_200n
    const known = type === 'file' && nlink > 1 ? first.get(ino) : undefined
    if (known !== undefined) return [`${path} = ${known}`]
    first.set(ino, path)
    const text =
      type === 'file' ? readFileSync(join(root, path), 'utf8').trim().slice(0, 40) : (linkTarget ?? '')
    const mark = capability === undefined ? '' : 'capability'
    return [[path, type, mode.toString(8), `${uid}:${gid}`, `@${seconds}`, text, mark].join(' ').trim()]
  })
  return lines.map((line) => line.replace(/^work\//, '').replace('= work/', '= '))
}

const UNTOUCHED = await outcome(makePlace())
/** Lines that the case added or changed, and those that are gone with "- " in front. */
async function changes(place: Place): Promise<readonly string[]> {
  const now = await outcome(place)
  const pathOf = (line: string) => line.split(' ')[0]
  const shown = new Set(now.map(pathOf))
  return [
    ...now.filter((line) => !UNTOUCHED.includes(line)),
    ...UNTOUCHED.filter((line) => !shown.has(pathOf(line))).map((line) => `- ${pathOf(line)}`),
  ]
}

describe('COPY of a file', () => {
  test.each<[string, readonly string[]]>([
    ['/work/new', ['new file 4750 0:0 @1 f']],
    ['/work/new/', ['new directory 755 0:0 @now', 'new/file file 4750 0:0 @1 f']],
    ['/work/new/.', ['new directory 755 0:0 @now', 'new/file file 4750 0:0 @1 f']],
    ['/work/a/b/c', ['a directory 755 0:0 @now', 'a/b directory 755 0:0 @now', 'a/b/c file 4750 0:0 @1 f']],
    ['/work/existing', ['existing/file file 4750 0:0 @1 f']],
    ['/work/oldfile', ['oldfile file 4750 0:0 @1 f']],
    ['/work/dirlink', ['existing/file file 4750 0:0 @1 f']],
    ['/work/dirlink/x', ['existing/x file 4750 0:0 @1 f']],
    ['/work/filelink', ['filelink file 4750 0:0 @1 f']],
    ['/work/dangling/', ['made directory 755 0:0 @now', 'made/file file 4750 0:0 @1 f']],
    ['/work/escape/x', ['outside directory 755 0:0 @now', 'outside/x file 4750 0:0 @1 f']],
    ['/../../work/up', ['up file 4750 0:0 @1 f']],
  ])('to %s', async (destination, expected) => {
    const place = makePlace()
    await perform(place, [copyAction(['file'], destination)])
    expect(
      (await changes(place)).filter((line) => !/^existing directory|^existing\/sub directory/.test(line)),
    ).toEqual(expected)
    expect(readFileSync(join(place.root, 'work/oldfile'), 'utf8')).toBe(
      destination === '/work/oldfile' ? 'f\n' : 'old\n',
    )
  })

  test.each<[string, string, string]>([
    ['file', '/work/oldfile/x', 'mkdir /work/oldfile: not a directory'],
    ['file', '/work/oldfile/', 'mkdir /work/oldfile: not a directory'],
    ['dir', '/work/oldfile', 'cannot copy to non-directory: /work/oldfile'],
    ['dir', '/work/oldfile/x', 'mkdir /work/oldfile: not a directory'],
    ['missing', '/work/', '"/missing": not found'],
    ['file/x', '/work/', '"/file/x": not found'],
    ['broken', '/work/', '"/broken": not found'],
    ['../file/../nothing', '/work/', '"/nothing": not found'],
  ])('%s to %s is an error', async (source, destination, message) => {
    await expect(perform(makePlace(), [copyAction([source], destination)])).rejects.toThrow(message)
  })

  test('never replaces a directory', async () => {
    const place = makePlace(CONTEXT, `${ROOT}\nmkdir work/existing/file`)
    await expect(perform(place, [copyAction(['file'], '/work/existing/')])).rejects.toThrow(
      'cannot replace to directory /work/existing/file with file',
    )
  })

  test('after file onto one name: the last one stays', async () => {
    const place = makePlace()
    await perform(place, [copyAction(['file', 'file2'], '/work/one')])
    expect(await changes(place)).toEqual(['one file 644 0:0 @1 g'])
  })
})

describe('COPY of a directory', () => {
  const content = (to: string, options: { owner?: string } = {}) => [
    `${to}/a file 644 ${options.owner ?? '0:0'} @1 a`,
    `${to}/hard = ${to}/a`,
    `${to}/link symlink 777 ${options.owner ?? '0:0'} @1 a`,
    `${to}/pipe fifo 644 ${options.owner ?? '0:0'} @1`,
    `${to}/sub directory 750 ${options.owner ?? '0:0'} @2`,
    `${to}/sub/b file 644 ${options.owner ?? '0:0'} @1 b`,
    `${to}/sub/deep directory 755 ${options.owner ?? '0:0'} @1`,
  ]

  test('copies what it holds, with its times, and makes what leads there', async () => {
    const place = makePlace()
    await perform(place, [copyAction(['dir'], '/work/a/new')])
    expect(await changes(place)).toEqual([
      'a directory 755 0:0 @now',
      'a/new directory 755 0:0 @2',
      ...content('a/new'),
    ])
  })

  test.each(['dirlink', '/dir/', './other/../dir', 'escape/dir'])('named %s', async (source) => {
    const place = makePlace()
    await perform(place, [copyAction([source], '/work/new')])
    expect(await changes(place)).toEqual(['new directory 755 0:0 @2', ...content('new')])
  })

  test('through an absolute link, which starts at the root of the context', async () => {
    const place = makePlace()
    await perform(place, [copyAction(['absolute'], '/work/new/')])
    expect(await changes(place)).toEqual([
      'new directory 755 0:0 @2',
      'new/b file 644 0:0 @1 b',
      'new/deep directory 755 0:0 @1',
    ])
  })

  test('into an existing one leaves that its mode and owner; nested ones get those of the source', async () => {
    const place = makePlace()
    await perform(place, [copyAction(['dir'], '/work/dirlink')])
    expect(await changes(place)).toEqual(['existing directory 711 3:4 @2', ...content('existing')])
  })

  test('with small and large files, many, over files and links that are there', async () => {
    const place = makePlace(
      `mkdir dir; for size in 0 1 16384 16385 100000; do head -c $size /dev/urandom > dir/$size; chmod 640 dir/$size; done
      for i in $(seq 300); do echo $i > dir/many$i; done; touch -d '2001-01-01 00:00:01Z' dir/*`,
      `mkdir -p etc work/to; echo old > work/to/1; ln -s /etc work/to/16384; ln work/to/1 work/to/many7`,
    )
    await perform(place, [copyAction(['dir'], '/work/to')])
    const expected = execFileSync('sh', ['-c', 'stat -c "%n %s %a %u %Y" *; sha256sum *'], {
      cwd: join(place.context, 'dir'),
    })
    const actual = execFileSync('sh', ['-c', 'stat -c "%n %s %a %u %Y" *; sha256sum *'], {
      cwd: join(place.root, 'work/to'),
    })
    expect(String(actual)).toBe(String(expected))
  })

  test.each(['1', '100000'])('with a file of %s bytes onto a directory is an error', async (size) => {
    const place = makePlace(`mkdir dir; head -c ${size} /dev/zero > dir/a`, 'mkdir -p etc work/to/a')
    await expect(perform(place, [copyAction(['dir'], '/work/to')])).rejects.toThrow(
      'cannot replace to directory /work/to/a with file',
    )
  })

  test('onto a nested file is an error', async () => {
    const place = makePlace(CONTEXT, `${ROOT}\nmkdir work/new; touch work/new/sub`)
    await expect(perform(place, [copyAction(['dir'], '/work/new')])).rejects.toThrow(
      'cannot copy to non-directory: /work/new/sub',
    )
  })

  test('keeps owners of a stage', async () => {
    const place = makePlace()
    await perform(place, [copyAction(['dir/sub', 'file'], '/work/new/', { ownership: 'kept' })])
    expect(await changes(place)).toEqual([
      'new directory 755 0:0 @2',
      'new/b file 644 7:8 @1 b',
      'new/deep directory 755 0:0 @1',
      'new/file file 4750 12:34 @1 f',
    ])
  })

  test('keeps capabilities, and makes an empty file of a socket', async () => {
    const place = makePlace()
    const cwd = process.cwd()
    process.chdir(join(place.context, 'other'))
    const server = createServer()
    try {
      await new Promise<void>((resolve) => server.listen('socket', resolve))
    } finally {
      process.chdir(cwd)
    }
    const path = join(place.context, 'other/o')
    await fileSession().batch(
      [{ type: 'setxattr', path, name: 'security.capability', value: CAPABILITY }],
      IDLE,
    )
    await perform(place, [copyAction(['other'], '/work/new', { owner: '5' })])
    process.chdir(join(place.context, 'other'))
    server.close()
    process.chdir(cwd)
    expect(
      (await changes(place)).map((line) => line.replace(/^new directory (.*)@\S+/, 'new directory $1')),
    ).toEqual([
      expect.stringMatching(/^new directory 755 5:5/),
      'new/a file 644 5:5 @1 oa',
      'new/o file 644 5:5 @1 o capability',
      expect.stringMatching(/^new\/socket file 755 5:5 @now$/),
    ])
  })
})

describe('COPY by pattern', () => {
  test.each<[string, readonly string[]]>([
    ['file*', ['file', 'file2', 'filelink']],
    ['fil?2', ['file2']],
    ['f[a-i]le', ['file']],
    ['[^f]ther', ['a', 'o']],
    ['*/a', ['a']],
    ['dir/[ab]', ['a']],
    ['dir*/sub/b', ['b']],
    ['nothing*', []],
    ['*/nothing', []],
  ])('%s', async (pattern, expected) => {
    const place = makePlace()
    await perform(place, [copyAction([pattern], '/work/new/')])
    const made = (await changes(place)).map((line) => line.split(' ')[0] ?? '')
    expect(made).toEqual(expected.length === 0 ? [] : ['new', ...expected.map((name) => `new/${name}`)])
  })

  test('follows a link that it matches', async () => {
    const place = makePlace()
    await perform(place, [copyAction(['filel*'], '/work/new/')])
    expect(await changes(place)).toEqual(['new directory 755 0:0 @now', 'new/filelink file 4750 0:0 @1 f'])
  })
})

describe('COPY with flags', () => {
  test.each<[string, string]>([
    ['app', '1234:2345'],
    ['app:staff', '1234:50'],
    ['7', '7:7'],
    ['7:8', '7:8'],
    ['7:staff', '7:50'],
    [':staff', '0:50'],
    ['nobody-here', '0:0'],
    ['app:nothing', '1234:0'],
    ['root', '0:0'],
    ['60000:1', '60000:1'],
  ])('--chown=%s', async (owner, expected) => {
    const place = makePlace()
    await perform(place, [copyAction(['dir/sub'], '/work/a/new', { owner })])
    expect(await changes(place)).toEqual([
      `a directory 755 ${expected} @now`,
      `a/new directory 755 ${expected} @2`,
      `a/new/b file 644 ${expected} @1 b`,
      `a/new/deep directory 755 ${expected} @1`,
    ])
  })

  test.each<[string, readonly string[]]>([
    ['700', ['a directory 700', 'a/new directory 700', 'a/new/b file 700', 'a/new/deep directory 700']],
    ['4711', ['a directory 4711', 'a/new directory 4711', 'a/new/b file 4711', 'a/new/deep directory 4711']],
    ['u=rwX,go=', ['a directory 755', 'a/new directory 755', 'a/new/b file 600', 'a/new/deep directory 700']],
    ['+x', ['a directory 755', 'a/new directory 755', 'a/new/b file 755', 'a/new/deep directory 755']],
  ])('--chmod=%s', async (mode, expected) => {
    const place = makePlace()
    await perform(place, [copyAction(['dir/sub'], '/work/a/new', { mode })])
    expect((await changes(place)).map((line) => line.split(' ').slice(0, 3).join(' '))).toEqual(expected)
  })

  test('--chmod leaves links alone', async () => {
    const place = makePlace()
    await perform(place, [copyAction(['dir'], '/work/new', { mode: '0600' })])
    expect(await changes(place)).toContain('new/link symlink 777 0:0 @1 a')
    expect(await changes(place)).toContain('new/a file 600 0:0 @1 a')
  })

  test('--exclude counts from the copied directory, and not for a file that is named', async () => {
    const place = makePlace()
    await perform(place, [
      copyAction(['dir', 'file', 'other/a'], '/work/new/', {
        exclude: ['a', 'link', '**/b', 'pipe', 'file'],
      }),
    ])
    expect((await changes(place)).map((line) => line.split(' ')[0])).toEqual([
      'new',
      'new/a',
      'new/file',
      'new/hard',
      'new/sub',
      'new/sub/deep',
    ])
  })

  test('what the ignore file hides is not there', async () => {
    const place = makePlace()
    const ignore = createPatternMatcher(['dir/*', '!dir/sub/b', 'file2'])
    await perform(place, [copyAction(['dir', 'file*'], '/work/new/')], { ignore })
    expect((await changes(place)).map((line) => line.split(' ')[0])).toEqual([
      'new',
      'new/file',
      'new/filelink',
      'new/sub',
      'new/sub/b',
    ])
    await expect(perform(place, [copyAction(['file2'], '/work/')], { ignore })).rejects.toMatchObject({
      message: '"/file2": not found',
      hint: 'The file exists, but .dockerignore leaves it out of the build context.',
    })
  })
})

describe('ADD', () => {
  const tar = archive(
    { path: 'x/', type: 'directory', mode: 0o700, uid: 5, gid: 6, mtimeNs: 978_307_205_000_000_000n },
    {
      path: 'x/y',
      content: 'from the archive',
      mode: 0o4755,
      uid: 5,
      gid: 6,
      mtimeNs: 978_307_206_000_000_000n,
    },
    { path: '.wh.oldfile', mtimeNs: 978_307_207_000_000_000n },
  )
  const unpacked = (owner = '5:6', file = '0:0') => [
    `new/.wh.oldfile file 644 ${file} @7`,
    `new/x directory 700 ${owner} @5`,
    `new/x/y file 4755 ${owner} @6 from the archive`,
  ]

  test.each<[string, () => Promise<Buffer>]>([
    ['a tar', async () => tar],
    ['a gzipped tar', async () => gzipSync(tar)],
    ['a zstd tar', async () => await bytesOf(codec.compress(inPieces(tar), { type: 'zstd' }))],
  ])('unpacks %s, whatever its name', async (_what, bytes) => {
    const place = makePlace()
    writeFileSync(join(place.context, 'archive.txt'), await bytes())
    await perform(place, [copyAction(['archive.txt'], '/work/new', { unpack: true })])
    expect(await changes(place)).toEqual(['new directory 755 0:0 @now', ...unpacked()])
  })

  test('gives all that is unpacked the owner of --chown', async () => {
    const place = makePlace()
    writeFileSync(join(place.context, 'a.tar'), tar)
    await perform(place, [copyAction(['a.tar'], '/work/new', { unpack: true, owner: 'app', mode: '0600' })])
    expect(await changes(place)).toEqual([
      'new directory 755 0:0 @now',
      ...unpacked('1234:2345', '1234:2345'),
    ])
  })

  test.each<[string, Buffer]>([
    ['an empty file', Buffer.alloc(0)],
    ['an empty tar', Buffer.alloc(10_240)],
    ['a text', Buffer.from('text')],
    ['a gzipped text', gzipSync('text')],
    ['the first bytes of gzip', Buffer.from('1f8b0800', 'hex')],
    ['damaged gzip', Buffer.concat([gzipSync(tar).subarray(0, 30), Buffer.alloc(100, 0xaa)])],
    ['a zip archive', Buffer.from('504b0304140000000000', 'hex')],
    ['a 7z archive', Buffer.from('377abcaf271c0004', 'hex')],
    ['an lzma archive', execFileSync('xz', ['--format=lzma', '-c'], { input: tar })],
    ['a tar with a wrong checksum', Buffer.concat([Buffer.from('X'), tar.subarray(1)])],
  ])('copies %s as it is', async (_what, bytes) => {
    const place = makePlace()
    writeFileSync(join(place.context, 'thing'), bytes)
    await perform(place, [copyAction(['thing'], '/work/new', { unpack: true })])
    expect(readFileSync(join(place.root, 'work/new')).equals(bytes)).toBe(true)
  })

  test.each(['bzip2', 'xz'])('unpacks what %s compressed', async (program) => {
    const place = makePlace()
    writeFileSync(join(place.context, 'a'), execFileSync(program, ['-c'], { input: tar }))
    await perform(place, [copyAction(['a'], '/work/new', { unpack: true })])
    expect(await changes(place)).toEqual(['new directory 755 0:0 @now', ...unpacked()])
  })

  test('leaves what was copied before alone where an archive puts links in its place', async () => {
    const place = makePlace()
    const outside = join(dirname(place.root), 'outside')
    execFileSync('sh', [
      '-euc',
      `mkdir -p ${outside}; echo alive > ${outside}/a; touch -d @5 ${outside}/a ${outside}`,
    ])
    const evil = archive({ path: 'd', type: 'symlink', linkTarget: outside })
    writeFileSync(join(place.context, 'evil.tar'), evil)
    await perform(place, [
      copyAction(['other'], '/work/new/d'),
      copyAction(['evil.tar'], '/work/new', { unpack: true }),
    ])
    const listed = execFileSync('find', [outside, '-printf', '%f %Ts\\n'], { encoding: 'utf8' })
    expect(listed.split('\n').sort()).toEqual(['', 'a 5', 'outside 5'])
  })
})

describe('the actions of WORKDIR and heredocs', () => {
  test('mkdir makes parents too, and leaves what is there', async () => {
    const place = makePlace()
    await perform(place, [
      { type: 'mkdir', path: '/work/a/b', mode: 0o755, owner: 'app' },
      { type: 'mkdir', path: '/work/existing', mode: 0o755, owner: 'app' },
    ])
    expect(await changes(place)).toEqual([
      'a directory 755 1234:2345 @now',
      'a/b directory 755 1234:2345 @now',
    ])
  })

  test('a heredoc is a file by the rules of COPY', async () => {
    const place = makePlace()
    const action = { type: 'mkfile', name: 'EOF', content: 'text', mode: 0o644 } as const
    await perform(place, [
      { ...action, destination: '/work/new/' },
      { ...action, destination: '/work/filelink', owner: '7' },
    ])
    expect(await changes(place)).toEqual([
      'filelink file 644 7:7 @now text',
      'new directory 755 0:0 @now',
      'new/EOF file 644 0:0 @now text',
    ])
  })
})
