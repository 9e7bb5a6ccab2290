import { expect, test } from 'vitest'
import { apkPackages } from '../../../src/inventory/apk.ts'
import { dpkgPackages } from '../../../src/inventory/dpkg.ts'
import { goPackages } from '../../../src/inventory/go.ts'
import { npmPackages } from '../../../src/inventory/npm.ts'
import { parseOsRelease } from '../../../src/inventory/os-release.ts'
import { pythonPackages } from '../../../src/inventory/python.ts'

test('os-release, quoted or not', () => {
  expect(parseOsRelease('PRETTY_NAME="Debian GNU/Linux 12"\nVERSION_ID="12"\nID=debian\n')).toEqual({
    id: 'debian',
    version: '12',
  })
  expect(parseOsRelease('NAME=nothing\n')).toBeUndefined()
})

test('dpkg: what is unpacked, not what only left its configuration', () => {
  const text = `Package: libstdc++6
Status: install ok installed
Maintainer: Debian GCC Maintainers <debian-gcc@lists.debian.org>
Architecture: amd64
Multi-Arch: same
Source: gcc-12
Version: 12.2.0-14+deb12u1
Conffiles:
 /etc/a 0123456789abcdef
Description: GNU Standard C++ Library v3
 This package contains an additional runtime library.
 .
 Version: not-this-one

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1:2.3-1
`
  expect(dpkgPackages(text, { id: 'debian', version: '12' })).toEqual([
    {
      type: 'deb',
      name: 'libstdc++6',
      version: '12.2.0-14+deb12u1',
      purl: 'pkg:deb/debian/libstdc%2B%2B6@12.2.0-14%2Bdeb12u1?arch=amd64&distro=debian-12',
      supplier: 'Debian GCC Maintainers <debian-gcc@lists.debian.org>',
    },
  ])
  // As images without dpkg have it, one file a package.
  expect(dpkgPackages('Package: tzdata\nVersion: 1:2024a-0\nArchitecture: all\n')).toMatchObject([
    { purl: 'pkg:deb/debian/tzdata@1:2024a-0?arch=all' },
  ])
})

test('apk', () => {
  const text = `C:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=
P:musl
V:1.2.5-r0
A:x86_64
S:411720
T:the musl c library (libc) implementation
L:MIT
o:musl
m:Timo Teräs <timo.teras@iki.fi>
p:so:libc.musl-x86_64.so.1=1
F:lib
R:ld-musl-x86_64.so.1

P:busybox
V:1.36.1-r29
A:x86_64
L:GPL-2.0-only

`
  expect(apkPackages(text, { id: 'alpine', version: '3.20.3' })).toEqual([
    {
      type: 'apk',
      name: 'musl',
      version: '1.2.5-r0',
      purl: 'pkg:apk/alpine/musl@1.2.5-r0?arch=x86_64&distro=alpine-3.20.3',
      license: 'MIT',
      supplier: 'Timo Teräs <timo.teras@iki.fi>',
    },
    expect.objectContaining({ name: 'busybox', license: 'GPL-2.0-only' }),
  ])
})

test('npm: scopes, old forms of licences, and files that are no manifest', () => {
  const scoped = {
    name: '@babel/core',
    version: '7.24.0',
    license: 'MIT',
    author: { name: 'Team', email: 'a@b' },
  }
  expect(npmPackages(JSON.stringify(scoped))).toEqual([
    {
      type: 'npm',
      name: '@babel/core',
      version: '7.24.0',
      purl: 'pkg:npm/%40babel/core@7.24.0',
      license: 'MIT',
      supplier: 'Team <a@b>',
    },
  ])
  const old = {
    name: 'old',
    version: '1.0.0',
    licenses: [{ type: 'MIT' }, { type: 'Apache-2.0' }],
    author: 7,
  }
  expect(npmPackages(JSON.stringify(old))).toMatchObject([{ license: 'MIT OR Apache-2.0' }])
  for (const text of ['{"type":"module"}', '{"name":"x","version":1}', 'no json', '[]'])
    expect(npmPackages(text)).toEqual([])
})

test('python: headers up to the description, the name as PyPI has it', () => {
  const text = `Metadata-Version: 2.1
Name: Zope.Interface_x
Version: 6.0
Author: Zope Foundation
Author-email: zope-dev@zope.dev
License: ZPL 2.1
Classifier: Environment :: Web

Name: not-this
Version: 9
`
  expect(pythonPackages(text)).toEqual([
    {
      type: 'pypi',
      name: 'Zope.Interface_x',
      version: '6.0',
      purl: 'pkg:pypi/zope-interface-x@6.0',
      license: 'ZPL 2.1',
      supplier: 'Zope Foundation <zope-dev@zope.dev>',
    },
  ])
  expect(pythonPackages('Name: pip\nVersion: 1\nLicense: UNKNOWN\nLicense-Expression: MIT\n')).toMatchObject([
    { license: 'MIT' },
  ])
  expect(pythonPackages('Metadata-Version: 2.1\n')).toEqual([])
})

test('go: modules as replaced, and the standard library', () => {
  const modules = [
    'path\texample.com/app/cmd',
    'mod\texample.com/app\t(devel)\t',
    'dep\tgolang.org/x/sys\tv0.20.0\th1:aaa=',
    'dep\tgithub.com/old/one\tv1.0.0',
    '=>\tgithub.com/new/one\tv1.0.1\th1:bbb=',
    'build\tCGO_ENABLED=0',
  ].join('\n')
  const text = (content: string) => Buffer.concat([varint(Buffer.byteLength(content)), Buffer.from(content)])
  const header = Buffer.alloc(32)
  header.write('\xff Go buildinf:', 'latin1')
  header[14] = 8
  header[15] = 2
  const section = Buffer.concat([
    header,
    text('go1.22.3'),
    text(`${'<'.repeat(16)}${modules}${'>'.repeat(16)}`),
  ])
  expect(goPackages(section).map(({ purl }) => purl)).toEqual([
    'pkg:golang/example.com/app',
    'pkg:golang/golang.org/x/sys@v0.20.0',
    'pkg:golang/github.com/new/one@v1.0.1',
    'pkg:golang/stdlib@1.22.3',
  ])
  expect(goPackages(section.subarray(0, 60))).toEqual([expect.objectContaining({ name: 'stdlib' })])
  expect(goPackages(Buffer.from('\x7fELF'))).toEqual([])
})

function varint(value: number): Buffer {
  return value < 128
    ? Buffer.from([value])
    : Buffer.concat([Buffer.from([(value & 127) | 128]), varint(value >> 7)])
}
