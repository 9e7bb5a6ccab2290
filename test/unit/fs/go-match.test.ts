import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { goMatch } from '../../../src/fs/index.ts'

describe('goMatch()', () => {
  test.each([
    ['abc', 'abc', true],
    ['*', 'abc', true],
    ['*', '', true],
    ['*c', 'abc', true],
    ['a*', 'ab/c', false],
    ['a*/b', 'abc/b', true],
    ['a*/b', 'a/c/b', false],
    ['a*b*c*d*e*', 'axbxcxdxexxx', true],
    ['a*b?c*x', 'abxbbxdbxebxczzx', true],
    ['a*b?c*x', 'abxbbxdbxebxczzy', false],
    ['ab[c]', 'abc', true],
    ['ab[b-d]', 'abc', true],
    ['ab[e-g]', 'abc', false],
    ['ab[^c]', 'abc', false],
    ['ab[^e-g]', 'abc', true],
    ['a\\*b', 'a*b', true],
    ['a\\*b', 'ab', false],
    ['a\\b', 'ab', true],
    ['a?b', 'a☺b', true],
    ['a[^a]b', 'a☺b', true],
    ['a???b', 'a☺b', false],
    ['a?b', 'a/b', false],
    ['[a-ζ]*', 'α', true],
    ['*[a-ζ]', 'A', false],
    ['[\\]a]', ']', true],
    ['[\\-]', '-', true],
    ['[x\\-]', 'z', false],
    ['[\\-x]', 'x', true],
    ['a]', 'a]', true],
    ['**', 'ab', true],
    ['**', 'a/b', false],
    ['*x', 'xxx', true],
    ['', '', true],
    ['', 'a', false],
  ])('%s on %s: %s', (pattern, name, expected) => {
    expect(goMatch(pattern, name)).toBe(expected)
  })

  test.each(['[', '[]a]', '[-]', '[x-]', '[-x]', '[^', '[^bc', 'a[', '[a-b-c]', '\\', 'a\\'])(
    'refuses the malformed pattern %s',
    (pattern) => {
      expect(() => goMatch(pattern, 'a')).toThrow(/syntax error in pattern/)
    },
  )

  test('a name with every character escaped matches only itself', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (name, other) => {
        const pattern = Array.from(name, (character) => `\\${character}`).join('')
        expect(goMatch(pattern, name)).toBe(true)
        expect(goMatch(pattern, other)).toBe(name === other)
      }),
    )
  })

  test('agrees with a regular expression on stars and question marks', () => {
    const text = fc.stringMatching(/^[ab/]{0,8}$/)
    fc.assert(
      fc.property(fc.stringMatching(/^[ab/*?]{0,8}$/), text, (pattern, name) => {
        const expression = pattern.replace(/\*+/g, '[^/]*').replace(/\?/g, '[^/]')
        expect(goMatch(pattern, name)).toBe(new RegExp(`^${expression}$`).test(name))
      }),
    )
  })
})
