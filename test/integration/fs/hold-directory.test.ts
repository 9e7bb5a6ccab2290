import { mkdirSync, readdirSync, renameSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { holdDirectory } from '../../../src/fs/index.ts'
import { newDirectory } from '../../support/layer-files.ts'

test('holdDirectory() makes what is missing, inside the root', async () => {
  const root = newDirectory()
  symlinkSync('/a', join(root, 'link'))
  await using held = holdDirectory(root, '/link/../../b/c')
  expect(statSync(held.path).ino).toBe(statSync(join(root, 'b/c')).ino)
  expect(readdirSync(root).sort()).toEqual(['b', 'link'])
})

test('holdDirectory() gives a path that leads to the directory for good', async () => {
  const root = newDirectory()
  await using held = holdDirectory(root, '/a/b')
  renameSync(join(root, 'a'), join(root, 'other'))
  symlinkSync('/', join(root, 'a'))
  writeFileSync(join(held.path, 'file'), '')
  expect(readdirSync(join(root, 'other/b'))).toEqual(['file'])
})

test('holdDirectory() refuses what is no directory', () => {
  const root = newDirectory()
  mkdirSync(join(root, 'a'))
  writeFileSync(join(root, 'a/file'), '')
  expect(() => holdDirectory(root, '/a/file/b')).toThrow(/^Cannot open the directory "\/a\/file\/b"/)
})
