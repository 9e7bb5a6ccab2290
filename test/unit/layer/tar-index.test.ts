import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { openRandomFile } from '../../../src/io/index.ts'
import { encodeTarHeader, indexTar, paddingOf, type TarHeader } from '../../../src/layer/index.ts'
import { tarHeader } from '../../support/tar-header.ts'

const directory = mkdtempSync(join(tmpdir(), 'ossb-tar-index-'))
afterAll(() => rmSync(directory, { recursive: true }))

function member(path: string, content: string | Partial<TarHeader>): Buffer {
  if (typeof content !== 'string') return encodeTarHeader(tarHeader({ path, ...content }))
  const bytes = Buffer.from(content)
  return Buffer.concat([
    encodeTarHeader(tarHeader({ path, type: 'file', size: bytes.length })),
    bytes,
    Buffer.alloc(paddingOf(bytes.length)),
  ])
}

function contents(...parts: readonly Buffer[]): Record<string, string> {
  const path = join(directory, 'a.tar')
  writeFileSync(path, Buffer.concat(parts))
  using file = openRandomFile(path)
  const members = indexTar(file)
  return Object.fromEntries(
    [...members].map(([name, { offset, size }]) => [name, file.read(offset, size).toString()]),
  )
}

const END = Buffer.alloc(1024)

test('indexTar() finds files in any order, with long names and "./" in front', () => {
  const long = `${'d'.repeat(120)}/${'f'.repeat(90)}`
  expect(
    contents(
      member('./b', 'second'),
      member(long, 'x'.repeat(513)),
      member('dir/', { type: 'directory' }),
      member('a', ''),
      END,
    ),
  ).toEqual({ b: 'second', [long]: 'x'.repeat(513), a: '' })
})

test('indexTar() follows links inside the archive and forgets those that lead nowhere', () => {
  expect(
    contents(
      member('id/layer.tar', { type: 'symlink', linkTarget: '../real.tar' }),
      member('again', { type: 'symlink', linkTarget: 'id/layer.tar' }),
      member('hard', { type: 'hardlink', linkTarget: './real.tar' }),
      member('loop', { type: 'symlink', linkTarget: 'loop' }),
      member('out', { type: 'symlink', linkTarget: '/etc/passwd' }),
      member('real.tar', 'layer'),
      END,
    ),
  ).toEqual({ 'id/layer.tar': 'layer', again: 'layer', hard: 'layer', 'real.tar': 'layer' })
})

test('indexTar() takes the last of several members of one name', () => {
  expect(contents(member('a', 'old'), member('./a', 'new'), END)).toEqual({ a: 'new' })
})

test('indexTar() refuses an archive that was cut off, and what is none', () => {
  expect(() => contents(member('a', 'x'.repeat(2000)).subarray(0, 1024))).toThrow('ends in the middle of "a"')
  expect(() => contents(Buffer.from('no archive'.repeat(100)))).toThrow('Cannot read the tar archive')
})
