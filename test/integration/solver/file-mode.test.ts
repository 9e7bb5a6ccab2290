import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { applyMode, octalMode } from '../../../src/solver/ops/file-mode.ts'

let directory = ''
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'ossb-chmod-'))
  writeFileSync(join(directory, 'file'), '')
  mkdirSync(join(directory, 'directory'))
})
afterAll(() => rmSync(directory, { recursive: true }))

function chmod(spec: string, mode: number, name: string): number {
  const path = join(directory, name)
  chmodSync(path, mode)
  execFileSync('sh', ['-c', 'umask 0; exec chmod -- "$0" "$1"', spec, path])
  return statSync(path).mode & 0o7777
}

const clause = fc
  .tuple(
    fc.constantFrom('', 'u', 'g', 'o', 'a', 'ug', 'go', 'uo', 'ugo'),
    fc.array(
      fc.tuple(
        fc.constantFrom('+', '-', '='),
        fc.constantFrom('', 'r', 'w', 'x', 'X', 's', 't', 'rw', 'rX', 'rwx', 'st', 'u', 'g', 'o'),
      ),
      {
        minLength: 1,
        maxLength: 2,
      },
    ),
  )
  .map(([who, changes]) => who + changes.flat().join(''))
const spec = fc.array(clause, { minLength: 1, maxLength: 3 }).map((clauses) => clauses.join(','))

describe('applyMode()', () => {
  test.each(['file', 'directory'])('does to a %s what chmod does', (name) => {
    fc.assert(
      fc.property(spec, fc.nat(0o7777), (text, mode) => {
        const expected = chmod(text, mode, name)
        expect(applyMode(text, mode, name === 'directory').toString(8)).toBe(expected.toString(8))
      }),
      { numRuns: 150 },
    )
  })

  test.each([
    ['0', 0],
    ['644', 0o644],
    ['0755', 0o755],
    ['4711', 0o4711],
    ['000755', 0o755],
  ])('%s is octal', (text, mode) => {
    expect(applyMode(text, 0o123, false)).toBe(mode)
    expect(octalMode(text)).toBe(mode)
  })

  test.each(['', '8', '77777', 'u', 'x+r', 'u+y', 'u=r,', ',', 'u+r u+w', 'rwx'])('%j is no mode', (text) => {
    expect(() => applyMode(text, 0, false)).toThrow(`invalid chmod parameter: '${text}'`)
    expect(octalMode(text)).toBeUndefined()
  })
})
