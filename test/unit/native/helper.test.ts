import { chmodSync, copyFileSync, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { loadHelper } from '../../../src/native/index.ts'

const directory = mkdtempSync(join(tmpdir(), 'ossb-load-helper-'))
afterAll(() => rmSync(directory, { recursive: true }))

test('loadHelper() finds the program beside the source', () => {
  const { path } = loadHelper()
  expect(path).toMatch(/src\/native\/prebuilt\/linux-(x64|arm64)\/ossb-helper$/)
  expect(statSync(path).size).toBeLessThan(192 * 1024)
})

test('loadHelper() takes the program that it is told to, if that can be executed', () => {
  const override = join(directory, 'mine')
  copyFileSync(loadHelper().path, override)
  expect(loadHelper({ override })).toEqual({ path: override })
  chmodSync(override, 0o644)
  expect(() => loadHelper({ override })).toThrow(`Cannot execute the native helper "${override}"`)
  expect(() => loadHelper({ override: join(directory, 'none') })).toThrow('missing or not executable')
})

test('loadHelper() makes no copy of a program that can be executed where it is', () => {
  const scratch = join(directory, 'scratch')
  loadHelper({ scratchDirectories: [scratch] })
  expect(existsSync(scratch)).toBe(false)
})
