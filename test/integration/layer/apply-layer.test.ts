import { execFileSync, spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Job } from '../../../src/core/index.ts'
import { type ApplyOptions, applyLayer, layerTar } from '../../../src/layer/index.ts'
import {
  type ArchiveEntry,
  archive,
  bytesOf,
  entriesOf,
  entriesOfTar,
  fileSession,
  IDLE,
  inPieces,
  listTree,
  newDirectory,
  recordingJob,
} from '../../support/layer-files.ts'

const CAPABILITY = Buffer.from('0100000200040000000000000000000000000000', 'hex')
const NS = 1_000_000_000n

/** A root with a canary beside it, and links inside that lead to the canary. */
function makeRoot() {
  const directory = newDirectory()
  const root = join(directory, 'root')
  const outside = join(directory, 'outside')
  mkdirSync(root)
  mkdirSync(join(outside, 'sub'), { recursive: true })
  writeFileSync(join(outside, 'canary'), 'alive')
  writeFileSync(join(outside, 'sub/canary'), 'alive')
  for (const path of ['sub/canary', 'sub', 'canary', ''])
    utimesSync(join(outside, path), 1_000_000, 1_000_000)
  const apply = (entries: readonly ArchiveEntry[], options: Partial<ApplyOptions> = {}, job: Job = IDLE) =>
    applyLayer(inPieces(archive(...entries)), { root, ...options }, fileSession(), job)
  return { root, outside, apply }
}

const directory = (path: string, more: ArchiveEntry = {}): ArchiveEntry => ({
  path,
  type: 'directory',
  mode: 0o755,
  ...more,
})
const file = (path: string, content = 'new'): ArchiveEntry => ({ path, content, mtimeNs: 5n * NS })
const link = (path: string, linkTarget: string): ArchiveEntry => ({ path, type: 'symlink', linkTarget })

describe('applyLayer() leaves everything outside of the root alone', () => {
  test.each<[string, (outside: string) => readonly ArchiveEntry[], readonly string[]]>([
    ['an absolute name', (outside) => [file(`${outside}/canary`)], []],
    [
      '".." in a name',
      () => [file('../outside/canary'), file('a/../../../outside/canary')],
      ['outside', 'outside/canary'],
    ],
    ['a file through a link to outside', (outside) => [link('l', outside), file('l/canary')], []],
    [
      'a file through a relative link',
      () => [link('l', '../outside'), file('l/canary')],
      ['l', 'outside', 'outside/canary'],
    ],
    ['a file in the place of a link', (outside) => [link('f', `${outside}/canary`), file('f')], ['f']],
    [
      'a directory in the place of a link',
      (outside) => [link('d', outside), directory('d', { mode: 0 })],
      ['d'],
    ],
    [
      'a hard link to outside',
      () => [file('outside/canary'), { path: 'h', type: 'hardlink', linkTarget: '../outside/canary' }],
      ['h', 'outside', 'outside/canary'],
    ],
    [
      'a hard link through a link',
      (outside) => [
        link('l', outside),
        file(`${outside}/sub/canary`),
        { path: 'h', type: 'hardlink', linkTarget: 'l/sub/canary' },
      ],
      [],
    ],
    [
      'a chain of links',
      (outside) => [link('a', 'b'), link('b', 'c'), link('c', `${outside}/sub`), file('a/canary')],
      [],
    ],
    [
      'a parent that becomes a link after it was a directory',
      (outside) => [
        directory('d'),
        directory('d/sub'),
        file('d/sub/canary'),
        link('d', outside),
        file('d/sub/canary'),
      ],
      [],
    ],
    [
      'a parent that was a link, and became a file',
      () => [directory('d'), link('l', 'd'), file('l/x'), file('l'), file('l/y')],
      [],
    ],
    [
      'a parent that became a link after files in it were put off',
      (outside) => [directory('d'), file('d/canary'), link('d', outside), file('d/canary')],
      [],
    ],
    [
      'times of directories whose parent became a link',
      (outside) => [
        directory('d', { mtimeNs: 9n * NS }),
        directory('d/sub', { mtimeNs: 9n * NS }),
        link('d', outside),
      ],
      ['d'],
    ],
    [
      'times and attributes of files whose parent became a link',
      (outside) => [
        directory('d'),
        {
          ...file('d/canary'),
          mtimeNs: 9n * NS + 1n,
          xattrs: new Map([['security.capability', CAPABILITY]]),
        },
        link('d', outside),
      ],
      ['d'],
    ],
    [
      'a whiteout through a link',
      (outside) => [link('l', outside), file('l/.wh.canary', ''), file('l/sub/.wh..wh..opq', '')],
      [],
    ],
    ['a whiteout of ".."', () => [file('.wh...', ''), file('.wh..', ''), file('.wh.', '')], []],
    ['a whiteout with a path', () => [file('a/../../.wh.outside', '')], []],
    [
      'device nodes and fifos through a link',
      (outside) => [link('l', outside), { path: 'l/fifo', type: 'fifo' }],
      [],
    ],
  ])('%s', async (_what, entries, expected) => {
    const { root, outside, apply } = makeRoot()
    await apply(entries(outside)).catch(() => undefined)
    expect(readFileSync(join(outside, 'canary'), 'utf8')).toBe('alive')
    expect((await listTree(outside)).map((line) => line.replace(/ \d+ @/, ' @'))).toEqual([
      expect.stringMatching(/^canary file \d+ \d+:\d+ @1000000000000000$/),
      expect.stringMatching(/^sub directory \d+ \d+:\d+ @1000000000000000$/),
      expect.stringMatching(/^sub\/canary file \d+ \d+:\d+ @1000000000000000$/),
    ])
    expect(readdirSync(outside)).toEqual(['canary', 'sub'])
    const made = (await entriesOf(root)).slice(1).map(({ path }) => path)
    if (expected.length > 0) expect(made).toEqual(expected)
  })

  test('a link that was in the root before', async () => {
    const { root, outside, apply } = makeRoot()
    symlinkSync(outside, join(root, 'l'))
    await apply([file('l/sub/canary', 'inside')])
    expect(readFileSync(join(root, outside, 'sub/canary'), 'utf8')).toBe('inside')
    expect(readFileSync(join(outside, 'sub/canary'), 'utf8')).toBe('alive')
  })

  test('a loop of links is an error', async () => {
    const { apply } = makeRoot()
    await expect(apply([link('a', 'b'), link('b', 'a'), file('a/x')])).rejects.toThrow(
      'too many levels of symbolic links',
    )
  })
})

describe('applyLayer() makes', () => {
  test('exactly what the archive says', async () => {
    const { root, apply } = makeRoot()
    await apply([
      directory('./', { mode: 0o711, mtimeNs: 3n * NS }),
      directory('d/', { mode: 0o2755, uid: 7, gid: 8, mtimeNs: 1_000_000_001n }),
      { path: 'd/suid', content: 'x', mode: 0o6755, uid: 1000, gid: 1000, mtimeNs: 2_000_000_000n },
      { path: 'd/hard', type: 'hardlink', linkTarget: 'd/suid' },
      {
        path: 'd/cap',
        content: '',
        mode: 0o755,
        uid: 5,
        xattrs: new Map([['security.capability', CAPABILITY]]),
        mtimeNs: 1_500_000_000_123_456_789n,
      },
      { path: 'd/link', type: 'symlink', linkTarget: '/nowhere', uid: 9, mtimeNs: 4_000_000_005n },
      { path: 'd/hard-link-of-link', type: 'hardlink', linkTarget: 'd/link' },
      { path: 'd/pipe', type: 'fifo', mode: 0o622, gid: 4, mtimeNs: 6n * NS },
      { path: 'implied/parent/file', content: 'p', mode: 0, mtimeNs: -1_000_000_000n },
    ])
    const lines = (await listTree(root)).map((line) =>
      line.replace(/^(implied.* directory .*)@\d+/, '$1@now'),
    )
    expect(lines).toMatchInlineSnapshot(`
      [
        "d directory 2755 7:8 @1000000000",
        "d/cap file 755 5:0 0 @1500000000000000000 0100000200040000000000000000000000000000",
        "d/hard file 6755 1000:1000 1 @2000000000",
        "d/hard-link-of-link symlink 777 9:0 @4000000000 -> /nowhere",
        "d/link = d/hard-link-of-link",
        "d/pipe fifo 622 0:4 @6000000000",
        "d/suid = d/hard",
        "implied directory 755 0:0 @now",
        "implied/parent directory 755 0:0 @now",
        "implied/parent/file file 0 0:0 1 @-1000000000",
      ]
    `)
    const [self] = await entriesOf(root)
    expect([self?.mode, self?.mtimeNs]).toEqual([0o711, 3n * NS])
  })

  test('device nodes where the kernel permits them, and else says which it left out', async () => {
    const { root, apply } = makeRoot()
    const job = recordingJob()
    const node = { type: 'character', mode: 0o666, devMajor: 1, devMinor: 3, mtimeNs: 7n * NS } as const
    await apply([{ path: 'null', ...node }], {}, job)
    const permitted = spawnSync('mknod', [join(root, 'trial'), 'c', '1', '3']).status === 0
    const [made] = await listTree(root)
    expect(made).toBe(permitted ? 'null character 666 0:0 @7000000000' : undefined)
    expect(job.events).toEqual(permitted ? [] : [expect.objectContaining({ rule: 'DeviceSkipped' })])
  })

  test('the later of two entries of one name', async () => {
    const { root, apply } = makeRoot()
    await apply([
      file('a', 'one'),
      file('a', 'two'),
      directory('b'),
      file('b/x'),
      file('b', 'file'),
      link('c', 'a'),
      directory('c'),
      file('c/y'),
    ])
    expect((await listTree(root)).map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual([
      'a file',
      'b file',
      'c directory',
      'c/y file',
    ])
    expect(readFileSync(join(root, 'a'), 'utf8')).toBe('two')
  })

  test('many small files, with what follows from one that is still to be made', async () => {
    const { root, apply } = makeRoot()
    const numbers = Array.from({ length: 3000 }, (_, at) => at)
    const entries = numbers.flatMap((at): readonly ArchiveEntry[] => [
      { ...file(`d${at % 7}/f${at}`, `content ${at}`), uid: at % 3, mode: at % 2 === 0 ? 0o4755 : 0o600 },
      ...(at % 500 === 0
        ? [{ path: `h${at}`, type: 'hardlink', linkTarget: `d${at % 7}/f${at}` } as const]
        : []),
      ...(at % 700 === 0 ? [file(`d${at % 7}/f${at}`, 'again')] : []),
      ...(at % 999 === 0 ? [directory(`d${at % 7}/f${at}`)] : []),
    ])
    await apply(entries)
    const found = await entriesOf(root)
    expect(found.filter(({ type }) => type === 'file')).toHaveLength(3000 - 4 + 6)
    for (const { path, uid, mode } of found.filter(
      (entry) => /\/f\d*[1-9]$/.test(entry.path) && entry.type === 'file',
    )) {
      const at = Number(/\d+$/.exec(path)?.[0])
      expect([path, readFileSync(join(root, path), 'utf8'), uid, mode]).toEqual([
        path,
        at % 700 === 0 ? 'again' : `content ${at}`,
        at % 700 === 0 ? 0 : at % 3,
        at % 700 === 0 ? 0o644 : at % 2 === 0 ? 0o4755 : 0o600,
      ])
    }
    expect(
      numbers.filter((at) => at % 500 === 0).map((at) => readFileSync(join(root, `h${at}`), 'utf8')),
    ).toEqual(numbers.filter((at) => at % 500 === 0).map((at) => `content ${at}`))
  })

  test('nothing of a user attribute that overlayfs would take for its own', async () => {
    const { root, apply } = makeRoot()
    const xattrs = new Map(
      ['user.overlay.opaque', 'user.overlay.whiteout', 'trusted.overlay.opaque', 'user.mine'].map((name) => [
        name,
        Buffer.from('y'),
      ]),
    )
    await apply([directory('d', { xattrs })])
    const [listed] = await fileSession().batch([{ type: 'listxattr', path: join(root, 'd') }], IDLE)
    expect(listed?.ok === true && Buffer.from(listed.value).toString()).toBe('user.mine\0')
  })

  test('a clear error of a hard link to nothing', async () => {
    const { apply } = makeRoot()
    await expect(apply([{ path: 'h', type: 'hardlink', linkTarget: 'missing' }])).rejects.toThrow(
      'Cannot unpack "h": it is a hard link to "missing", which is not a file in the image',
    )
  })

  test('every entry the property of an owner that is forced, below a directory, with whiteouts as plain files', async () => {
    const { root, apply } = makeRoot()
    mkdirSync(join(root, 'dest'))
    writeFileSync(join(root, 'dest/kept'), '')
    await apply([file('/x'), { path: 'h', type: 'hardlink', linkTarget: '/x' }, file('.wh.kept', '')], {
      directory: '/dest',
      owner: { uid: 3, gid: 4 },
      whiteouts: 'literal',
    })
    expect((await listTree(join(root, 'dest'))).map((line) => line.replace(/ \d* ?@.*/, ''))).toEqual([
      '.wh.kept file 644 3:4',
      'h file 644 3:4',
      'kept file 644 0:0',
      'x = h',
    ])
  })
})

describe('applyLayer() applies whiteouts', () => {
  const lower = [directory('d'), file('d/a'), file('d/b'), directory('d/sub'), file('d/sub/c'), file('e')]
  const paths = async (root: string) => (await entriesOf(root)).slice(1).map(({ path }) => path)

  test.each<[string, readonly ArchiveEntry[], readonly string[]]>([
    ['of a file', [file('d/.wh.a', '')], ['d', 'd/b', 'd/sub', 'd/sub/c', 'e']],
    ['of a directory', [file('.wh.d', '')], ['e']],
    [
      'of what is not there',
      [file('.wh.x', ''), file('new/.wh.x', '')],
      ['d', 'd/a', 'd/b', 'd/sub', 'd/sub/c', 'e', 'new'],
    ],
    ['that hide all of a directory', [directory('d'), file('d/.wh..wh..opq', '')], ['d', 'e']],
    [
      'but keeps what came before them',
      [file('d/a', 'mine'), file('d/.wh.a', '')],
      ['d', 'd/a', 'd/b', 'd/sub', 'd/sub/c', 'e'],
    ],
    [
      'but keeps what came before an opaque mark',
      [directory('d'), file('d/!new'), file('d/.wh..wh..opq', '')],
      ['d', 'd/!new', 'e'],
    ],
    [
      'also below a directory that came before an opaque mark',
      [directory('d'), directory('d/sub'), file('d/sub/!new'), file('d/.wh..wh..opq', '')],
      ['d', 'd/sub', 'd/sub/!new', 'e'],
    ],
    [
      'but keeps files whose directory has no entry of its own',
      [file('d/sub/new'), file('.wh.d', '')],
      ['d', 'd/sub', 'd/sub/new', 'e'],
    ],
    [
      'but keeps what was written through a link',
      [link('l', 'd'), file('l/a', 'mine'), file('d/.wh.a', '')],
      ['d', 'd/a', 'd/b', 'd/sub', 'd/sub/c', 'e', 'l'],
    ],
    [
      'but not the marks of AUFS',
      [file('.wh..wh.aufs', ''), directory('.wh..wh.plnk'), file('.wh..wh..tmp', '')],
      ['d', 'd/a', 'd/b', 'd/sub', 'd/sub/c', 'e'],
    ],
  ])('%s', async (_what, entries, expected) => {
    const { root, apply } = makeRoot()
    await apply(lower)
    await apply(entries)
    expect(await paths(root)).toEqual(expected)
  })

  test('of a link, and not of its target', async () => {
    const { root, apply } = makeRoot()
    await apply([file('target'), link('l', 'target')])
    await apply([file('.wh.l', '')])
    expect(await paths(root)).toEqual(['target'])
  })
})

test('applyLayer() stops when it is told to', async () => {
  const { root } = makeRoot()
  const abort = new AbortController()
  const reason = new Error('stop')
  async function* endless() {
    for (let i = 0; ; i += 1) {
      if (i === 5) abort.abort(reason)
      yield archive(file(`f${i}`)).subarray(0, 1024)
    }
  }
  const job: Job = { signal: abort.signal, emit: () => {} }
  await expect(applyLayer(endless(), { root }, fileSession(), job)).rejects.toBe(reason)
  expect(existsSync(join(root, 'f20'))).toBe(false)
})

test('applyLayer() names the small file that an owner cannot be given to', async () => {
  const { apply } = makeRoot()
  const applied = apply([file('good'), { ...file('bad'), uid: 0xffff_ffff - 1 }, file('other')])
  if (readFileSync('/proc/self/uid_map', 'utf8').trim().endsWith(' 4294967295')) await applied
  else
    await expect(applied).rejects.toThrow(
      'Cannot unpack "bad": its owner 4294967294:0 is outside of the id range',
    )
})

test('applyLayer() says how a full disk ended it', async () => {
  const disk = join(newDirectory(), 'disk')
  mkdirSync(disk)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'none', disk])
  try {
    const content = 'x'.repeat(1024 * 1024)
    const applied = applyLayer(inPieces(archive(file('big', content))), { root: disk }, fileSession(), IDLE)
    await expect(applied).rejects.toMatchObject({
      code: 'ERR_OSSB_NO_SPACE',
      message: `Cannot unpack "big": no space left on the device (0B free in "${disk}", 1.05MB needed)`,
    })
  } finally {
    execFileSync('umount', [disk])
  }
})

test('layerTar() writes no attribute but a capability, and no socket', async () => {
  const root = newDirectory()
  const path = join(root, 'file')
  writeFileSync(path, 'x')
  const set = { type: 'setxattr', path, value: CAPABILITY } as const
  await fileSession().batch(
    [
      { ...set, name: 'user.mine', optional: true },
      { ...set, name: 'security.capability' },
    ],
    IDLE,
  )
  const entries = await entriesOf(root)
  async function* changes() {
    for (const entry of entries) yield { type: 'upsert', entry } as const
    for (const entry of entries)
      yield { type: 'upsert', entry: { ...entry, path: 's', type: 'socket' } } as const
  }
  const found = await entriesOfTar(layerTar(changes(), root, {}, IDLE))
  expect(found.map(({ header }) => [header.path, [...header.xattrs.keys()]])).toEqual([
    ['file', ['security.capability']],
  ])
})

test('a tree that is written and applied again is the same, and GNU tar reads it too', async () => {
  const source = join(newDirectory(), 'source')
  mkdirSync(source)
  const script = `
    mkdir -p a/b "with space" ${'long/'.repeat(40)}
    echo one > a/one; ln a/one a/b/two; ln -s ../one a/b/link; mkfifo a/pipe
    head -c 3000000 /dev/urandom > a/big; : > naïve; echo x > ${'n'.repeat(200)}; echo deep > ${'long/'.repeat(40)}file
    ln -s ${'t'.repeat(150)} longlink
    chown 60000:50000 a/big; chmod 6755 a/one; chmod 1777 a; chmod 0 naïve
    find . -exec touch -h -d '2001-02-03 04:05:06' {} +`
  execFileSync('sh', ['-euc', script], { cwd: source })
  const path = join(source, 'a/big')
  await fileSession().batch(
    [{ type: 'setxattr', path, name: 'security.capability', value: CAPABILITY }],
    IDLE,
  )
  const entries = await entriesOf(source)
  async function* changes() {
    for (const entry of entries) yield { type: 'upsert', entry } as const
  }
  const tar = await bytesOf(layerTar(changes(), source, {}, IDLE))
  expect(tar.subarray(-1024).equals(Buffer.alloc(1024))).toBe(true)

  const job = recordingJob()
  const again = join(newDirectory(), 'again')
  mkdirSync(again)
  await applyLayer(inPieces(tar, 100_001), { root: again }, fileSession(), job)
  expect(await listTree(again)).toEqual(await listTree(source))
  expect(job.events).toEqual([])

  const gnu = join(newDirectory(), 'gnu')
  mkdirSync(gnu)
  execFileSync('tar', ['-xp', '--numeric-owner', '--xattrs', '--xattrs-include=*', '-C', gnu], { input: tar })
  expect(await listTree(gnu)).toEqual(await listTree(source))
  expect(readFileSync(join(again, 'a/big')).equals(readFileSync(path))).toBe(true)
})
