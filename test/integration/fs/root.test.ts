import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  contentDigest,
  createPatternMatcher,
  lookupOwner,
  lookupUser,
  parseIgnoreFile,
  removeTree,
  resolveInRoot,
  type SourceTree,
  selectSources,
  walkSource,
} from '../../../src/fs/index.ts'
import { newDirectory } from '../../support/layer-files.ts'

function tree(script: string): string {
  const root = join(newDirectory(), 'root')
  mkdirSync(root)
  execFileSync('sh', ['-euc', script], { cwd: root })
  return root
}

describe('resolveInRoot()', () => {
  const root = tree(`
    mkdir -p usr/lib d/e; echo > usr/lib/x; echo > file
    ln -s usr/lib lib; ln -s /usr abs; ln -s ../../../.. up; ln -s d/../lib mixed; ln -s missing/deep dangling
    ln -s loop2 loop1; ln -s loop1 loop2; ln -s . self; ln -s /up/../abs/lib/x chain; ln -s . d/e/here
    for i in $(seq 1 45); do ln -s s$((i + 1)) s$i; done; echo > s46`)

  test.each<[string, 'follow' | 'keep', string]>([
    ['', 'follow', ''],
    ['/', 'follow', ''],
    ['..', 'follow', ''],
    ['../../etc/passwd', 'follow', 'etc/passwd'],
    ['usr/./lib//x', 'follow', 'usr/lib/x'],
    ['lib/x', 'follow', 'usr/lib/x'],
    ['abs/lib/x', 'follow', 'usr/lib/x'],
    ['up', 'follow', ''],
    ['up/up/file', 'follow', 'file'],
    ['mixed/x', 'follow', 'usr/lib/x'],
    ['chain', 'follow', 'usr/lib/x'],
    ['chain', 'keep', 'chain'],
    ['lib/', 'keep', 'lib'],
    ['lib/.', 'keep', 'lib'],
    ['lib/x', 'keep', 'usr/lib/x'],
    ['lib/..', 'follow', 'usr'],
    ['dangling', 'follow', 'missing/deep'],
    ['dangling/../x', 'follow', 'missing/x'],
    ['missing/../file', 'follow', 'file'],
    ['file/x', 'follow', 'file/x'],
    ['self/self/self/file', 'follow', 'file'],
    ['d/e/here/here', 'follow', 'd/e'],
    ['loop1', 'keep', 'loop1'],
    ['s7', 'follow', 's46'],
  ])('%j, %s', (path, last, expected) => {
    expect(resolveInRoot(root, path, { last })).toBe(join(root, expected))
  })

  test.each(['loop1', 'loop1/x', 's1', `${'self/'.repeat(41)}file`])('refuses %s', (path) => {
    expect(() => resolveInRoot(root, path, { last: 'follow' })).toThrow('too many levels of symbolic links')
  })
})

describe('removeTree()', () => {
  test('removes directories that deny it, and no target of a link', () => {
    const root = tree(
      'mkdir -p a/b/c out; echo keep > out/file; ln -s ../out a/link; ln -s ../out/file a/b/file; chmod 0 a/b/c; chmod 500 a/b a',
    )
    removeTree(join(root, 'a'))
    expect(readdirSync(root)).toEqual(['out'])
    expect(readdirSync(join(root, 'out'))).toEqual(['file'])
    symlinkSync('out', join(root, 'link'))
    removeTree(join(root, 'link'))
    removeTree(join(root, 'missing'))
    removeTree(join(root, 'out/file/below-a-file'))
    expect(existsSync(join(root, 'out/file'))).toBe(true)
  })

  test('does not go into what is mounted', () => {
    const root = tree('mkdir -p a/mounted other')
    execFileSync('mount', ['-t', 'tmpfs', 'none', join(root, 'a/mounted')])
    try {
      writeFileSync(join(root, 'a/mounted/canary'), '')
      expect(() => removeTree(join(root, 'a'))).toThrow(
        `Cannot remove "${root}/a/mounted": something is mounted on it`,
      )
      expect(readdirSync(join(root, 'a/mounted'))).toEqual(['canary'])
    } finally {
      execFileSync('umount', [join(root, 'a/mounted')])
    }
  })
})

describe('users of a root', () => {
  const root = tree(`
    mkdir etc elsewhere
    printf 'root:x:0:0:root:/root:/bin/sh\\napp:x:1000:1001:,,,:/home/app:/bin/sh\\nbroken\\nbad:x:a:b::/:\\nnohome:x:5:6:::\\n' > elsewhere/passwd
    printf 'root:x:0:\\napp:x:1001:\\nwheel:x:10:root,app\\naudio:x:29:app\\n' > etc/group
    ln -s ../../../elsewhere/passwd etc/passwd`)

  test.each([
    ['', { uid: 0, gid: 0, groups: [0, 10], home: '/root' }],
    ['app', { uid: 1000, gid: 1001, groups: [1001, 10, 29], home: '/home/app' }],
    ['1000', { uid: 1000, gid: 1001, groups: [1001, 10, 29], home: '/home/app' }],
    ['app:audio', { uid: 1000, gid: 29, groups: [29], home: '/home/app' }],
    ['app:7', { uid: 1000, gid: 7, groups: [7], home: '/home/app' }],
    ['4000', { uid: 4000, gid: 0, groups: [0], home: '/' }],
    ['4000:4001', { uid: 4000, gid: 4001, groups: [4001], home: '/' }],
    ['nohome', { uid: 5, gid: 6, groups: [6], home: '/' }],
  ])('lookupUser() of %j', (spec, expected) => {
    expect(lookupUser(root, spec)).toEqual(expected)
  })

  test.each([
    ['nosuch', 'unable to find user nosuch: no matching entries in passwd file'],
    ['bad', 'unable to find user bad: no matching entries in passwd file'],
    ['app:nosuch', 'unable to find group nosuch: no matching entries in group file'],
    ['4294967295', 'it is larger than 4294967294'],
  ])('lookupUser() of %j is an error', (spec, message) => {
    expect(() => lookupUser(root, spec)).toThrow(message)
  })

  test('numbers need no files, and a fifo in their place holds nobody up', () => {
    const empty = tree('mkdir etc; mkfifo etc/passwd; mkdir etc/group')
    expect(lookupUser(empty, '7:8')).toMatchObject({ uid: 7, gid: 8 })
    expect(lookupOwner(empty, 'app:staff')).toEqual({ uid: 0, gid: 0 })
  })
})

describe('sources', () => {
  const root = tree(`
    mkdir -p a/b/c d .hidden; echo 1 > a/1; echo 2 > a/b/2; echo 3 > a/b/c/3; echo x > d/x; echo h > .hidden/h
    ln -s a link; ln -s /a/b deep; ln -s nowhere broken; ln -s ../../../a escape; echo '*' > 'star*'; echo b > 'back\\slash'`)
  const plain: SourceTree = { root }
  const hiding = (...patterns: string[]): SourceTree => ({ root, ignore: createPatternMatcher(patterns) })
  const names = (source: SourceTree, path: string) =>
    selectSources(source, path).map((selected) => selected.path)
  const walked = (source: SourceTree, path: string, exclude?: string[]) =>
    selectSources(source, path).flatMap((selected) =>
      [...walkSource(source, selected, exclude && createPatternMatcher(exclude))].map((file) => file.path),
    )

  test.each<[SourceTree, string, readonly string[]]>([
    [plain, 'a', ['a']],
    [plain, '/a/../d/', ['d']],
    [plain, '.', ['']],
    [hiding('broken'), '*', ['.hidden', 'a', 'back\\slash', 'd', 'deep', 'escape', 'link', 'star*']],
    [plain, 'star[*]', ['star*']],
    [plain, 's*r\\*', ['star*']],
    [plain, 'back\\slash', ['back\\slash']],
    [plain, 'a/*', ['a/1', 'a/b']],
    [plain, '*/*', ['.hidden/h', 'a/1', 'a/b', 'd/x']],
    [plain, 'link/*', ['link/1', 'link/b']],
    [plain, '[a-d]', ['a', 'd']],
    [plain, 'zzz*', []],
    [hiding('a', '!a/b/2'), '?', ['a', 'd']],
    [hiding('d'), '?', ['a']],
  ])('selectSources() %#', (source, path, expected) => {
    expect(names(source, path)).toEqual(expected)
  })

  test.each<[SourceTree, string, string]>([
    [plain, 'x', 'x'],
    [plain, 'a/1/x', 'a/1/x'],
    [plain, 'broken', 'broken'],
    [plain, 'a/b/c/4', 'a/b/c/4'],
    [plain, '*', 'broken'],
    [hiding('a'), 'l*', 'link'],
  ])('selectSources() %#: not found', (source, path, missing) => {
    expect(() => selectSources(source, path)).toThrow(`"/${missing}": not found`)
  })

  test('walkSource() gives parents first, in byte order, and what a "!" lets through with its directories', () => {
    expect(walked(plain, 'a')).toEqual(['', '1', 'b', 'b/2', 'b/c', 'b/c/3'])
    expect(walked(hiding('a/b', '!a/b/c'), 'a')).toEqual(['', '1', 'b', 'b/c', 'b/c/3'])
    expect(walked(hiding('a/b', '!a/b/nothing'), 'a')).toEqual(['', '1'])
    expect(walked(plain, 'a', ['b', '!b/c/3'])).toEqual(['', '1', 'b', 'b/c', 'b/c/3'])
    expect(walked(plain, 'link')).toEqual(['', '1', 'b', 'b/2', 'b/c', 'b/c/3'])
  })

  test('walkSource() of a context keeps what BuildKit keeps with each ignore file of the table', () => {
    const { tree: paths, cases } = JSON.parse(
      readFileSync(new URL('../../fixtures/dockerignore.json', import.meta.url), 'utf8'),
    ) as {
      readonly tree: readonly string[]
      readonly cases: readonly { readonly ignoreFile: string; readonly kept?: readonly string[] }[]
    }
    const context = tree('true')
    for (const path of paths)
      if (path.endsWith('/')) mkdirSync(join(context, path))
      else writeFileSync(join(context, path), '')
    const succeeding = cases.flatMap(({ ignoreFile, kept }) =>
      kept === undefined ? [] : [{ ignoreFile, kept }],
    )
    expect(succeeding.length).toBeGreaterThan(60)
    for (const { ignoreFile, kept } of succeeding) {
      const ignore = createPatternMatcher(parseIgnoreFile(ignoreFile))
      const expected = kept.map((path) => path.replace(/\/$/, '')).sort()
      expect(walked({ root: context, ignore }, '.').slice(1).sort(), ignoreFile).toEqual(expected)
    }
  })

  test('a name that is not UTF-8 is an error where it is copied, and nothing where it is not', () => {
    const odd = tree('mkdir d; touch d/a "d/$(printf "caf\\351")"')
    const ignore = createPatternMatcher(['d/caf*'])
    for (const path of ['d', 'd/*', '*'])
      expect(() => walked({ root: odd }, path)).toThrow('Cannot copy "/d/caf\ufffd": its name is not UTF-8')
    expect(walked({ root: odd }, 'd/a')).toEqual([''])
    expect(walked({ root: odd }, 'd', ['caf*'])).toEqual(['', 'a'])
    expect(walked({ root: odd, ignore }, 'd')).toEqual(['', 'a'])
    expect(walked({ root: odd, ignore }, 'd/*')).toEqual([''])
    expect(walked({ root: odd, ignore: createPatternMatcher(['d', '!d/a']) }, '.')).toEqual(['', 'd', 'd/a'])
  })

  test.each<[string, string, boolean]>([
    ['nothing', 'true', true],
    ['times', 'touch a/1 a', true],
    ['what lies beside', 'echo > other', true],
    ['content', 'echo 9 > a/1', false],
    ['a mode', 'chmod 600 a/1', false],
    ['the mode of a directory', 'chmod 700 a/b', false],
    ['a name', 'mv a/1 a/one', false],
    ['a type', 'rm a/1; mkdir a/1', false],
    ['the target of a link', 'rm a/l; ln -s 2 a/l', false],
    ['an owner', 'chown 5 a/1', true],
    ['a hard link', 'rm a/h; cp -p a/1 a/h', false],
    ['a new file', 'touch a/new', false],
  ])('contentDigest() after a change of %s', (_what, script, same) => {
    const copy = tree('umask 022; mkdir -p a/b; echo 1 > a/1; ln -s 1 a/l; ln a/1 a/h')
    const digest = () =>
      contentDigest({ root: copy }, selectSources({ root: copy }, 'a'), { owners: 'ignored' })
    const before = digest()
    execFileSync('sh', ['-euc', script], { cwd: copy })
    expect(digest() === before).toBe(same)
  })

  test('contentDigest() counts owners where it is told to', () => {
    const copy = tree('mkdir a; echo 1 > a/1')
    const digest = () =>
      contentDigest({ root: copy }, selectSources({ root: copy }, 'a'), { owners: 'counted' })
    const before = digest()
    execFileSync('chown', ['5', 'a/1'], { cwd: copy })
    expect(digest()).not.toBe(before)
  })
})
