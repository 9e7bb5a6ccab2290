import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { keepCompiled } from '../../../src/cli/compile-cache.ts'

let home = ''
beforeEach(() => (home = mkdtempSync(join(tmpdir(), 'ossb-compiled-'))))
afterEach(() => rmSync(home, { recursive: true }))

function used(environment: Record<string, string>): readonly string[] {
  const directories: string[] = []
  keepCompiled(environment, (directory) => directories.push(directory))
  return directories
}

test('keepCompiled() makes a directory that only the user may enter', () => {
  const directory = join(home, '.cache/ossb-compiled')
  expect(used({ HOME: home })).toEqual([directory])
  expect(statSync(directory).mode & 0o777).toBe(0o700)
  expect(used({ HOME: home })).toEqual([directory])
})

test('keepCompiled() follows XDG_CACHE_HOME', () => {
  expect(used({ HOME: '/nowhere', XDG_CACHE_HOME: home })).toEqual([join(home, 'ossb-compiled')])
})

test.each([
  ['that others may write to', () => chmodSync(join(home, 'ossb-compiled'), 0o777)],
  [
    'that is a link to somewhere else',
    () => {
      rmSync(join(home, 'ossb-compiled'), { recursive: true })
      symlinkSync(home, join(home, 'ossb-compiled'))
    },
  ],
])('keepCompiled() does not use a directory %s', (_what, spoil) => {
  mkdirSync(join(home, 'ossb-compiled'), { mode: 0o700 })
  spoil()
  expect(used({ XDG_CACHE_HOME: home })).toEqual([])
})

test('keepCompiled() does without where there is no home', () => {
  expect(used({})).toEqual([])
  expect(used({ HOME: join(home, 'missing') })).toEqual([])
  expect(existsSync(join(home, 'missing'))).toBe(false)
})
