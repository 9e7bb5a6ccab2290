import { readFileSync } from 'node:fs'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createPatternMatcher, type PatternMatcher, parseIgnoreFile } from '../../../src/fs/index.ts'

interface GoldenCase {
  readonly ignoreFile: string
  readonly kept?: readonly string[]
  readonly error?: string
}

/** What BuildKit kept of `tree`, measured; names of directories end in a slash. */
const golden = JSON.parse(
  readFileSync(new URL('../../fixtures/dockerignore.json', import.meta.url), 'utf8'),
) as { readonly tree: readonly string[]; readonly cases: readonly GoldenCase[] }

/** The walk of a context: what matches is left out, and looked into only where something below may be kept. */
function walk(tree: readonly string[], matcher: PatternMatcher): readonly string[] {
  const kept = new Set<string>()
  const closed: string[] = []
  for (const name of tree) {
    if (closed.some((directory) => name.startsWith(directory))) continue
    const path = name.replace(/\/$/, '')
    if (!matcher.matches(path)) {
      kept.add(name)
      path
        .split('/')
        .slice(0, -1)
        .forEach((_, at, parts) => kept.add(`${parts.slice(0, at + 1).join('/')}/`))
    } else if (name.endsWith('/') && !matcher.mayMatchBelow(path)) closed.push(name)
  }
  return [...kept].sort()
}

const succeeding = golden.cases.filter(({ error }) => error === undefined)
const failing = golden.cases.filter(({ error }) => error !== undefined)

describe('createPatternMatcher()', () => {
  test.each(succeeding)('keeps what BuildKit keeps with $ignoreFile', ({ ignoreFile, kept }) => {
    expect(walk(golden.tree, createPatternMatcher(parseIgnoreFile(ignoreFile)))).toEqual(
      [...(kept ?? [])].sort(),
    )
  })

  test.each(failing)('refuses what BuildKit refuses: $ignoreFile', ({ ignoreFile, error }) => {
    expect(() => createPatternMatcher(parseIgnoreFile(ignoreFile))).toThrow(error ?? '')
  })

  test.each(succeeding)('descends nowhere in vain and nothing is lost with $ignoreFile', ({ ignoreFile }) => {
    const matcher = createPatternMatcher(parseIgnoreFile(ignoreFile))
    const everywhere = { ...matcher, mayMatchBelow: () => true }
    expect(walk(golden.tree, matcher)).toEqual(walk(golden.tree, everywhere))
  })

  test.each([
    ['*.mp3', 'a.mp3', true],
    ['*.mp3', 'sub/a.mp3', false],
    ['**/*.mp3', 'sub/a.mp3', true],
    ['**/*.mp3', 'a.mp3', true],
    ['dir/**', 'dir', false],
    ['dir/**', 'dir/a/b', true],
    ['dir', 'dir/a/b', true],
    ['dir', 'dirt', false],
    ['lib-1.0+g08(a).whl', 'lib-1.0+g08(a).whl', true],
    ['a|b', 'a|b', true],
    ['a|b', 'a', false],
    ['$x{1}^', '$x{1}^', true],
    ['a.c', 'abc', false],
    ['[a-c]x', 'bx', true],
    ['[^a-c]x', 'bx', false],
    ['[\\]]x', ']x', true],
    ['\\*', '*', true],
    ['\\*', 'x', false],
    ['v\\d', 'v1', true],
    ['v\\d', 'vd', false],
    ['a/**/z', 'a/z', true],
    ['a/**/z', 'a/b/c/z', true],
    ['a/**/z', 'a/bz', false],
    ['?', 'é', true],
    ['?', '😀', true],
    ['?', '/', false],
    ['**/.env*', 'x/y/.env.local', true],
    ['Src', 'src', false],
  ])('%s on %s: %s', (pattern, path, expected) => {
    expect(createPatternMatcher([pattern]).matches(path)).toBe(expected)
  })

  test('takes the last pattern that fits, parents included', () => {
    const matcher = createPatternMatcher(['a', '!a/keep', 'a/keep/not'])
    expect(['a', 'a/x', 'a/keep', 'a/keep/x', 'a/keep/not/x'].map((path) => matcher.matches(path))).toEqual([
      true,
      true,
      false,
      false,
      true,
    ])
  })

  test('looks below a directory only for a later "!" that could fit there', () => {
    const matcher = createPatternMatcher(['!b/x', 'a', 'b', '!a/*/keep', '!c'])
    expect(['a', 'a/sub', 'a/sub/deep', 'b', 'd'].map((path) => matcher.mayMatchBelow(path))).toEqual([
      true,
      true,
      false,
      false,
      false,
    ])
    expect(matcher.hasExclusions).toBe(true)
    expect(createPatternMatcher(['a']).hasExclusions).toBe(false)
  })

  test.each(['*a*a*a*a*a*a*a*a*a*a*b', '**/a**/a**/a**/a**/a**/b', '*\\w*\\w*\\w*\\w*\\w*\\w*\\w*-'])(
    'takes time in proportion to the path for %s',
    (pattern) => {
      const matcher = createPatternMatcher([pattern])
      const started = performance.now()
      expect(matcher.matches('a'.repeat(4000))).toBe(false)
      expect(performance.now() - started).toBeLessThan(10_000)
    },
  )

  test('agrees with a regular expression on stars, double stars and question marks', () => {
    const part = fc.constantFrom('a', 'b', 'ab', '*', '**', '?', 'a*', '*b', '?a', 'a?*', 'x.y', '*.y')
    const path = fc.array(fc.constantFrom('a', 'b', 'ab', 'aab', 'x.y', 'xzy'), {
      minLength: 1,
      maxLength: 4,
    })
    const isFit = (pattern: string, text: string) => {
      const pieces = pattern.match(/\*\*\/?|[^*]|\*/g) ?? []
      const source = pieces.map((piece, at) => {
        if (piece.startsWith('**')) return at === pieces.length - 1 ? '.*' : '(.*/)?'
        return piece === '*' ? '[^/]*' : piece === '?' ? '[^/]' : piece.replace('.', '\\.')
      })
      return new RegExp(`^${source.join('')}$`).test(text)
    }
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), path, (parts, names) => {
        const pattern = parts.join('/')
        const parents = names.map((_, at) => names.slice(0, at + 1).join('/'))
        expect(createPatternMatcher([pattern]).matches(names.join('/'))).toBe(
          parents.some((parent) => isFit(pattern, parent)),
        )
      }),
      { numRuns: 2000 },
    )
  })

  test('a literal path is matched by itself, its parents and any prefix pattern of it', () => {
    const name = fc
      .stringMatching(/^[a-z.+(){}|$^ ]{1,8}$/)
      .filter((text) => text.trim() === text && !/^\.*$/.test(text))
    fc.assert(
      fc.property(fc.array(name, { minLength: 1, maxLength: 4 }), (parts) => {
        const path = parts.join('/')
        for (let length = 1; length <= parts.length; length += 1) {
          const parent = parts.slice(0, length).join('/')
          expect(createPatternMatcher([parent]).matches(path)).toBe(true)
          expect(createPatternMatcher(['**', `!${parent}`]).matches(path)).toBe(false)
          expect(createPatternMatcher([`**/${parts.at(-1)}`]).matches(path)).toBe(true)
        }
      }),
    )
  })
})

describe('parseIgnoreFile()', () => {
  test('reads comments, blanks, exclusions and absolute paths', () => {
    const text = '\ufeff# a comment\r\n\n  # no comment\n ! /keep/./x/ \n/a//b/../c/\n/\n.\n!\n#x'
    expect(parseIgnoreFile(text)).toEqual(['# no comment', '!keep/x', 'a/c', '/', '.', '!'])
  })
})
