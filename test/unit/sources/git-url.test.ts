import { describe, expect, test } from 'vitest'
import {
  downloadName,
  type GitSource,
  isGitUrl,
  parseContext,
  parseGitUrl,
  withGitFlags,
} from '../../../src/sources/index.ts'

describe('isGitUrl()', () => {
  test.each([
    ['https://host/a/b.git', true],
    ['http://host/b.git', true],
    ['https://host/b.git#main', true],
    ['https://host/b.git?ref=main', true],
    ['https://host/b.git?ref=main#:dir', true],
    ['HTTPS://host/b.git', true],
    ['git://host/b', true],
    ['ssh://git@host:22/b', true],
    ['git@host:owner/b', true],
    ['git@host:owner/b.git#v1:dir', true],
    ['deploy.user@host.example:b', true],
    ['https://host/a/b', false],
    ['https://host.git', false],
    ['https://host/b.git/file', false],
    ['https://host/b?x=.git', false],
    ['https://host/b#.git', false],
    ['github.com/a/b', false],
    ['./b.git', false],
    ['../b.git', false],
    ['b.git', false],
    ['/srv/b.git', false],
    ['user@host', false],
    ['a b@host:c', false],
    ['ext::sh -c x', false],
    ['file:///srv/b.git', false],
  ])('%s is %s', (text, expected) => {
    expect(isGitUrl(text)).toBe(expected)
  })
})

const URL = 'https://host/b.git'
const SHA = '0123456789abcdef0123456789abcdef01234567'

describe('parseGitUrl()', () => {
  test.each<[string, Partial<GitSource>]>([
    ['', {}],
    ['#', {}],
    ['#:', {}],
    ['#main', { ref: 'main' }],
    ['#refs/heads/main', { ref: 'refs/heads/main' }],
    ['#feature/one', { ref: 'feature/one' }],
    [`#${SHA}`, { ref: SHA }],
    ['#main:dir', { ref: 'main', subdir: 'dir' }],
    ['#:dir/sub/', { subdir: 'dir/sub' }],
    ['#main:/', { ref: 'main' }],
    ['#main:./a/../b', { ref: 'main', subdir: 'b' }],
    ['#main:../../a', { ref: 'main', subdir: 'a' }],
    ['?', {}],
    ['?ref=v1', { ref: 'v1' }],
    ['?branch=dev', { ref: 'refs/heads/dev' }],
    ['?tag=v1', { ref: 'refs/tags/v1' }],
    ['?tag=refs/tags/v1', { ref: 'refs/tags/v1' }],
    ['?tag=v1#v1', { ref: 'refs/tags/v1' }],
    ['?ref=v1#v1:dir', { ref: 'v1', subdir: 'dir' }],
    ['?subdir=a%2Fb', { subdir: 'a/b' }],
    [`?checksum=${SHA}`, { checksum: SHA }],
    ['?commit=0123ABCD', { checksum: '0123abcd' }],
    ['?commit=0123abcd&checksum=0123abcd', { checksum: '0123abcd' }],
    ['?keep-git-dir=1', { keepGitDir: true }],
    ['?keep-git-dir', { keepGitDir: true }],
    ['?keep-git-dir=false', { keepGitDir: false }],
    ['?submodules=0', { submodules: false }],
    ['?mtime=commit', { mtime: 'commit' }],
    ['?mtime=checkout', {}],
    [`?fetch-by-commit=true&commit=${SHA}`, { fetchByCommit: true, checksum: SHA }],
  ])('reads "%s" behind the URL', (text, expected) => {
    expect(parseGitUrl(`${URL}${text}`)).toEqual({ remote: URL, ...expected })
  })

  test.each([
    ['ssh://git@host:2222/a/b.git#v1', { remote: 'ssh://git@host:2222/a/b.git', ref: 'v1' }],
    ['git@host:a/b#v1:dir', { remote: 'git@host:a/b', ref: 'v1', subdir: 'dir' }],
    ['git://host:9418/b', { remote: 'git://host:9418/b' }],
  ])('takes %s apart', (text, expected) => {
    expect(parseGitUrl(text)).toEqual(expected)
  })

  test.each([
    ['?ref=a#b', 'ref conflicts: "b" and "a"'],
    ['?tag=a#b', 'ref conflicts: "b" and "refs/tags/a"'],
    ['?branch=a&tag=b', 'branch conflicts with tag: "a" and "b"'],
    ['?subdir=a#:b', 'subdir conflicts: "b" and "a"'],
    ['?commit=0123abcd&checksum=1123abcd', 'checksum conflicts: "1123abcd" and "0123abcd"'],
    ['?branc=a', 'unexpected query "branc"'],
    ['?ref=a&ref=b', 'multiple values for query "ref"'],
    ['?keep-git-dir=maybe', 'the value "maybe" of "keep-git-dir" is not true or false'],
    ['?mtime=never', 'the value "never" of "mtime" is not "checkout" or "commit"'],
    ['?checksum=xyz', `invalid checksum "xyz": it is not the beginning of a commit's name`],
    ['#--upload-pack=x', '"--upload-pack=x" is not a ref'],
    ['#a..b', '"a..b" is not a ref'],
    ['#a*', '"a*" is not a ref'],
    ['#a b', '"a b" is not a ref'],
  ])('refuses "%s"', (text, message) => {
    expect(() => parseGitUrl(`${URL}${text}`)).toThrow(`Cannot use "${URL}${text}": ${message}`)
  })

  test.each(['ssh://-oProxyCommand=x/b', 'git@-oProxyCommand:b', 'ssh:///b'])(
    'refuses the host of %s',
    (text) => {
      expect(() => parseGitUrl(text)).toThrow('it names no host')
    },
  )
})

describe('withGitFlags()', () => {
  test('adds what the flags say', () => {
    expect(withGitFlags({ remote: URL }, { keepGitDir: true, checksum: SHA }, URL)).toEqual({
      remote: URL,
      keepGitDir: true,
      checksum: SHA,
    })
  })

  test.each([
    [{ keepGitDir: false }, { keepGitDir: true }, 'inconsistent keep-git-dir configuration'],
    [
      { checksum: SHA },
      { keepGitDir: false, checksum: '9999999' },
      `checksum mismatch: "${SHA}" and "9999999"`,
    ],
  ])('refuses %j with %j', (source, flags, message) => {
    expect(() => withGitFlags({ remote: URL, ...source }, flags, URL)).toThrow(message)
  })
})

describe('parseContext()', () => {
  test.each([
    ['-', { type: 'stdin' }],
    ['.', { type: 'directory', path: '.' }],
    ['no/such/directory', { type: 'directory', path: 'no/such/directory' }],
    ['package.json', { type: 'archive', path: 'package.json' }],
    ['https://host/b.git#v1', { type: 'git', git: { remote: 'https://host/b.git', ref: 'v1' } }],
    ['github.com/a/b#v1', { type: 'git', git: { remote: 'https://github.com/a/b', ref: 'v1' } }],
    ['https://host/b.tar.gz', { type: 'http', url: 'https://host/b.tar.gz' }],
    ['docker-image://alpine:3', { type: 'image', reference: 'alpine:3' }],
    ['oci-layout:///srv/layout:v1', { type: 'image', reference: 'oci-layout:///srv/layout:v1' }],
  ])('%s', (text, expected) => {
    expect(parseContext(text)).toEqual(expected)
  })
})

describe('downloadName()', () => {
  test.each([
    ['https://h/a/b.txt', 'b.txt'],
    ['https://h/a/b.txt?x=/y#/z', 'b.txt'],
    ['https://h/a/', 'a'],
    ['https://h/a%20b', 'a b'],
    ['https://h/a%2Fb', 'b'],
    ['https://h/100%', '100%'],
    ['https://h/', '__unnamed__'],
    ['https://h', '__unnamed__'],
    ['https://h?x=/y', '__unnamed__'],
    ['https://h/a/..', '__unnamed__'],
    ['https://h/a%00b', '__unnamed__'],
  ])('%s is %s', (url, name) => {
    expect(downloadName(url)).toBe(name)
  })
})
