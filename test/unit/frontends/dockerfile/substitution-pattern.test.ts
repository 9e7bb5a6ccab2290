import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  replaceAll,
  replaceFirst,
  stripPrefix,
  stripSuffix,
} from '../../../../src/frontends/dockerfile/substitution-pattern.ts'

/** The same patterns as regular expressions, of Go's kind: nothing but a newline matches a newline; slow in the worst case, but obviously right. */
function source(pattern: string, star: string): string {
  return Array.from(pattern, (c) => (c === '*' ? star : c === '?' ? '[^\\n]' : c)).join('')
}

const pattern = fc
  .array(fc.constantFrom('a', 'b', '*', '?', '\n'), { maxLength: 6 })
  .map((list) => list.join(''))
const value = fc.array(fc.constantFrom('a', 'b', 'c', '\n'), { maxLength: 10 }).map((list) => list.join(''))

describe('patterns in substitutions match what regular expressions match', () => {
  test('as prefix, shortest and longest', () => {
    fc.assert(
      fc.property(pattern, value, (p, v) => {
        expect(stripPrefix(v, p, false)).toBe(v.replace(new RegExp(`^${source(p, '[^\\n]*?')}`), ''))
        expect(stripPrefix(v, p, true)).toBe(v.replace(new RegExp(`^${source(p, '[^\\n]*')}`), ''))
      }),
      { numRuns: 1000 },
    )
  })

  test('as suffix: the prefix of the reverse', () => {
    const reverse = (text: string) => Array.from(text).reverse().join('')
    fc.assert(
      fc.property(pattern, value, fc.boolean(), (p, v, longest) => {
        expect(stripSuffix(v, p, longest)).toBe(reverse(stripPrefix(reverse(v), reverse(p), longest)))
      }),
    )
  })

  test('anywhere, once and everywhere', () => {
    const everywhere = (p: string, v: string) => {
      // Unlike JavaScript, Go lets no empty match follow right behind another match.
      let end = -1
      return v.replace(new RegExp(source(p, '[^\\n]*'), 'g'), (match, offset: number) => {
        const counts = match !== '' || offset !== end
        end = offset + match.length
        return counts ? 'X' : ''
      })
    }
    fc.assert(
      fc.property(pattern, value, (p, v) => {
        expect(replaceFirst(v, p, 'X')).toBe(v.replace(new RegExp(source(p, '[^\\n]*')), 'X'))
        expect(replaceAll(v, p, 'X')).toBe(everywhere(p, v))
      }),
      { numRuns: 1000 },
    )
  })
})

test('many stars take no time to fail', () => {
  const started = performance.now()
  expect(stripPrefix('a'.repeat(20_000), `${'*a'.repeat(50)}b`, true)).toBe('a'.repeat(20_000))
  expect(performance.now() - started).toBeLessThan(10_000)
})

test('a replacement cannot fill the memory', () => {
  const long = 'x'.repeat(1024 * 1024)
  expect(() => replaceAll(long.slice(0, 200), '?', long)).toThrow('the result is longer than')
  expect(replaceAll(long, 'y', '')).toBe(long)
})
