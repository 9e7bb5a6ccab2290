import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openSecrets } from '../../../src/sources/index.ts'
import { newDirectory } from '../../support/layer-files.ts'

test('openSecrets() reads files and variables when they are asked for', () => {
  const file = join(newDirectory(), 'secret')
  writeFileSync(file, 'one')
  const secrets = openSecrets(
    [
      { id: 'file', file },
      { id: 'variable', env: 'V' },
      { id: 'unset', env: 'U' },
    ],
    { V: 'value' },
  )
  writeFileSync(file, 'two')
  const read = (id: string) => secrets.read(id)?.toString()
  expect(['file', 'variable', 'unset', 'other'].map(read)).toEqual(['two', 'value', '', undefined])
})

test('openSecrets() refuses what is missing, too big or no file, and never shows a value', () => {
  const directory = newDirectory()
  const file = join(directory, 'secret')
  const open = (path: string) => () => openSecrets([{ id: 's', file: path }], {})
  expect(open(file)).toThrow('Cannot read the secret "s": ENOENT')
  expect(open(directory)).toThrow(`Cannot read the secret "s": "${directory}" is not a file`)
  writeFileSync(file, Buffer.alloc(500 * 1024))
  expect(open(file)().read('s')).toHaveLength(500 * 1024)
  writeFileSync(file, Buffer.alloc(500 * 1024 + 1))
  expect(open(file)).toThrow('Cannot use the secret "s": it is too big; at most 500 KiB')
  expect(() => openSecrets([{ id: 's', env: 'V' }], { V: 'x'.repeat(600_000) }).read('s')).toThrow(
    /^Cannot use the secret "s": it is too big; at most 500 KiB$/,
  )
})

test('a secret for what is brought here is none for a RUN', () => {
  const secrets = openSecrets([{ id: 'GIT_AUTH_HEADER.h.io', env: 'V', hiddenFromRuns: true }], { V: 'v' })
  expect(Buffer.from(secrets.read('GIT_AUTH_HEADER.h.io') ?? []).toString()).toBe('v')
  expect(secrets.forRuns.read('GIT_AUTH_HEADER.h.io')).toBeUndefined()
})
