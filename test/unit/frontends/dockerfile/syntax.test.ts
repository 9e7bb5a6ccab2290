import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseDirectives } from '../../../../src/frontends/dockerfile/directives.ts'
import { extractFlags, parseFlags } from '../../../../src/frontends/dockerfile/flags.ts'
import { formatGoDuration, goQuote, parseGoDuration } from '../../../../src/frontends/dockerfile/go-format.ts'
import { heredocBody, parseHeredocHead } from '../../../../src/frontends/dockerfile/heredoc.ts'
import { parseJsonForm } from '../../../../src/frontends/dockerfile/json-form.ts'
import { parseSyntax } from '../../../../src/frontends/dockerfile/parser.ts'
import { didYouMean } from '../../../../src/frontends/dockerfile/suggestion.ts'
import { splitWords } from '../../../../src/frontends/dockerfile/word-list.ts'

describe('extractFlags()', () => {
  test.each([
    ['--a --b=1 rest --c', ['--a', '--b=1'], 'rest --c'],
    ['--a -- --b', ['--a'], '--b'],
    ['--a="x y"z \'q\'', ['--a=x yz'], "'q'"],
    ['--a=x\\ y rest', ['--a=x y'], 'rest'],
    ['-a rest', [], '-a rest'],
    ['', [], ''],
    ['--only', ['--only'], ''],
  ])('of %j', (text, flags, rest) => {
    expect(extractFlags(text, '\\')).toEqual({ flags, rest })
  })
})

describe('parseFlags()', () => {
  const table = { chown: 'text', link: 'boolean', exclude: 'list' } as const

  test('reads text, booleans and lists', () => {
    const flags = parseFlags(['--chown=a=b', '--link', '--exclude=1', '--exclude=2'], table)
    expect([flags.text('chown'), flags.boolean('link'), flags.list('exclude')]).toEqual([
      'a=b',
      true,
      ['1', '2'],
    ])
    expect(parseFlags(['--link=FALSE'], table).boolean('link')).toBe(false)
    expect(parseFlags([], table).boolean('link')).toBeUndefined()
  })

  test.each([
    ['--exclud=x', 'unknown flag: --exclud (did you mean exclude?)'],
    ['--toString', 'unknown flag: --toString'],
    ['--chown', 'missing a value on flag: --chown'],
    ['--link=', 'missing a value on flag: --link'],
    ['--link=maybe', 'expecting boolean value for flag --link, not: maybe'],
  ])('refuses %s', (word, message) => {
    expect(() => parseFlags([word], table)).toThrow(message)
  })

  test('refuses a flag given twice', () => {
    expect(() => parseFlags(['--chown=a', '--chown=b'], table)).toThrow('duplicate flag specified: --chown')
  })
})

describe('parseJsonForm()', () => {
  test.each([
    ['["a", "b"]', ['a', 'b']],
    ['  [ ]  ', []],
    ['["\\u0041\\"\\\\"]', ['A"\\']],
    ["['a']", undefined],
    ['["a"', undefined],
    ['["a"] b', undefined],
    ['echo ["a"]', undefined],
  ])('of %s gives %j', (text, expected) => {
    expect(parseJsonForm(text)).toEqual(expected)
  })

  test.each(['[1]', '["a", null]', '[["a"]]'])('refuses %s', (text) => {
    expect(() => parseJsonForm(text)).toThrow('arrays must be comprised of strings only')
  })
})

describe('parseHeredocHead()', () => {
  test.each([
    ['<<EOF', { name: 'EOF', chomp: false, expand: true }],
    ['<<-EOF', { name: 'EOF', chomp: true, expand: true }],
    ['<<"EOF"', { name: 'EOF', chomp: false, expand: false }],
    ["<<'E O'", { name: 'E O', chomp: false, expand: false }],
    ['<<E"O"F', { name: 'EOF', chomp: false, expand: false }],
    ['<<\\EOF', { name: 'EOF', chomp: false, expand: false }],
    ['3<<EOF', { name: 'EOF', chomp: false, expand: true }],
    ['<<<EOF', undefined],
    ['<<', undefined],
    ['<EOF', undefined],
    ['a<<EOF', undefined],
  ])('of %s', (word, expected) => {
    expect(parseHeredocHead(word)).toEqual(expected)
  })

  test('a chomped body loses the tabs at the start of its lines', () => {
    const heredoc = { name: 'E', chomp: true, expand: true, content: '\t\ta\n b\n\tc\td\n' }
    expect(heredocBody(heredoc)).toBe('a\n b\nc\td\n')
  })
})

describe('splitWords()', () => {
  test.each([
    ['a  b', ['a', 'b']],
    ['a="b c" d', ['a="b c"', 'd']],
    ["a='b\\' c", ["a='b\\'", 'c']],
    ['a\\ b c', ['a\\ b', 'c']],
    ['"a\\" b" c', ['"a\\" b"', 'c']],
    ['a\\', ['a']],
    ['""', ['""']],
    [' ', []],
  ])('of %s', (text, expected) => {
    expect(splitWords(text, '\\')).toEqual(expected)
  })

  test('gives words back that were joined', () => {
    const word = fc.stringMatching(/^(?:[a-z$=]|'[a-z ]*'|"[a-z ]*"|\\[a-z ])+$/)
    fc.assert(
      fc.property(fc.array(word), (words) => {
        expect(splitWords(words.join(' '), '\\')).toEqual(words)
      }),
    )
  })
})

describe('parseDirectives()', () => {
  const read = (text: string) => {
    const { escape, syntax, check, lines } = parseDirectives('D', text)
    return [escape, syntax?.value, check?.value, lines]
  }

  test.each([
    ['FROM x', ['\\', undefined, undefined, 0]],
    ['# escape=`\nFROM x', ['`', undefined, undefined, 1]],
    ['\uFEFF#syntax = a:1 b\n#  CHECK=skip=all\r\n# ESCAPE=`', ['`', 'a:1 b', 'skip=all', 3]],
    ['# comment\n# escape=`', ['\\', undefined, undefined, 0]],
    ['\n# escape=`', ['\\', undefined, undefined, 0]],
    ['# other=1\n# escape=`', ['\\', undefined, undefined, 0]],
    ['#!/usr/bin/env x\n# syntax=a', ['\\', 'a', undefined, 0]],
  ])('of %j', (text, expected) => {
    expect(read(text)).toEqual(expected)
  })

  test.each([
    ['# escape=x', "invalid escape token 'x' does not match ` or \\"],
    ['# escape=`\n# escape=`', 'only one escape parser directive can be used'],
  ])('refuses %j', (text, message) => {
    expect(() => read(text)).toThrow(message)
  })
})

describe('parseSyntax()', () => {
  const texts = (text: string) => parseSyntax('Dockerfile', text).nodes.map((node) => node.text)

  test.each([
    ['FROM a\\\nb\n', ['FROM ab']],
    ['FROM a \\  \n  b\n', ['FROM a   b']],
    ['RUN a \\\\\nRUN b', ['RUN a \\\\', 'RUN b']],
    ['RUN a \\\n# c\n   # d\n\nb', ['RUN a b']],
    ['\\\nFROM a', ['FROM a']],
    ['   FROM a\r\n\tRUN b \\\r\n c\r\n', ['FROM a', 'RUN b  c']],
    ['RUN a \\', ['RUN a']],
    ['#x\n\nFROM a # b', ['FROM a # b']],
  ])('of %j', (text, expected) => {
    expect(texts(text)).toEqual(expected)
  })

  test('gives ranges that take in continuations and heredocs', () => {
    const { nodes } = parseSyntax('D', '# x\nFROM a\n\nRUN b \\\n c\nCOPY <<A <<B /\n1\nA\n2\nB\nUSER x\n')
    expect(nodes.map(({ name, range }) => [name, range.startLine, range.endLine])).toEqual([
      ['FROM', 2, 2],
      ['RUN', 4, 5],
      ['COPY', 6, 10],
      ['USER', 11, 11],
    ])
  })

  test('takes lines of up to 65,535 bytes, without their ends', () => {
    const line = (blanks: number) => `RUN ä${' '.repeat(blanks)}x`
    expect(texts(`FROM a\n${line(65_528)}\r\nRUN y`)).toEqual(['FROM a', line(65_528), 'RUN y'])
    expect(() => texts(`FROM a\n${line(65_529)}\n`)).toThrow('dockerfile line greater than')
    expect(texts(`FROM a\n${`${line(40_000)} \\\n`.repeat(2)}z`)[1]).toHaveLength(80_015)
  })

  test.each([
    ['', 'the Dockerfile cannot be empty'],
    ['\n# x\n', 'file with no instructions'],
    [`FROM a\nRUN ${'x'.repeat(65_536)}`, 'dockerfile line greater than max allowed size of 65535'],
    ['RUN <<A\nx', 'unterminated heredoc'],
    ['CMD ["a", {}]', 'when using JSON array syntax, arrays must be comprised of strings only'],
    ['ENV a=b c', 'Syntax error - can\'t find = in "c". Must be of the form: name=value'],
  ])('refuses %.20j', (text, message) => {
    expect(() => parseSyntax('Dockerfile', text)).toThrow(message)
  })

  test('a chain of ONBUILDs is not followed', () => {
    expect(texts(`FROM a\n${'ONBUILD '.repeat(8000)}RUN x`)).toHaveLength(2)
  })

  test('takes ten thousand lines', () => {
    const text = `FROM a\n${'RUN --mount=type=cache,target=/x echo "$A" && \\\n  true\nENV A=${B:-c} D="e f"\n'.repeat(4000)}`
    // Work in the square of the length would take longer than a test may.
    expect(texts(text)).toHaveLength(8001)
  })
})

describe('Go notations', () => {
  test.each([
    ['plain é 漢', '"plain é 漢"'],
    ['"\\\n\t', '"\\"\\\\\\n\\t"'],
    ['\u0000\u007f\u00a0\u200b', '"\\x00\\x7f\\u00a0\\u200b"'],
  ])('goQuote() of %j', (text, quoted) => {
    expect(goQuote(text)).toBe(quoted)
  })

  test.each([
    ['0', 0, '0s'],
    ['5s', 5e9, '5s'],
    ['1m30s', 90e9, '1m30s'],
    ['1.5h', 5400e9, '1h30m0s'],
    ['100ms', 1e8, '100ms'],
    ['2us', 2e3, '2µs'],
    ['-1s', -1e9, '-1s'],
  ])('durations: %s', (text, nanoseconds, printed) => {
    expect(parseGoDuration(text)).toBe(nanoseconds)
    expect(formatGoDuration(nanoseconds)).toBe(printed)
  })

  test.each(['', '5', 's', '1d', '1s ', '--1s'])('no duration: %j', (text) => {
    expect(parseGoDuration(text)).toBeUndefined()
  })
})

/** Levenshtein's distance by the book. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (const [i, letter] of Array.from(a).entries()) {
    const next = [i + 1]
    for (const [j, other] of Array.from(b).entries())
      next.push(
        Math.min((row[j] ?? 0) + (letter === other ? 0 : 1), (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1),
      )
    row = next
  }
  return row.at(-1) ?? 0
}

test('didYouMean() goes by edit distance', () => {
  const word = fc.stringMatching(/^[abc]{1,7}$/)
  fc.assert(
    fc.property(word, word, (a, b) => {
      const isNear = distance(a, b) < 3 && a !== b
      expect(didYouMean(a, [b])).toBe(isNear ? ` (did you mean ${b}?)` : '')
    }),
    { numRuns: 1000 },
  )
})

test('didYouMean() offers what is at most two letters away', () => {
  expect(didYouMean('FORM', ['FROM', 'RUN'])).toBe(' (did you mean FROM?)')
  expect(didYouMean('from', ['FROM'])).toBe('')
  expect(didYouMean('WHATEVER', ['FROM'])).toBe('')
})
