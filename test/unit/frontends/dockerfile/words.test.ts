import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { expandWord, expandWords } from '../../../../src/frontends/dockerfile/words.ts'

const VALUES: Readonly<Record<string, string>> = {
  n: 'value',
  empty: '',
  path: '/a/b/c.tar.gz',
  words: 'one  two',
  other: 'n',
  ünïcode: 'yes',
  _1: 'under',
}

const lookup = (name: string) => (Object.hasOwn(VALUES, name) ? VALUES[name] : undefined)
const expand = (word: string, escape = '\\') => expandWord(word, lookup, { escape })

describe('expandWord()', () => {
  test.each([
    ['plain', 'plain'],
    ['$n', 'value'],
    ['${n}', 'value'],
    ['$n/$n', 'value/value'],
    ['$nx', ''],
    ['${n}x', 'valuex'],
    ['$ünïcode', 'yes'],
    ['$_1', 'under'],
    ['$unset', ''],
    ['$', '$'],
    ['a$', 'a$'],
    ['$.x', '$.x'],
    ['$1 $10x $@$*$#$?$-$$$!$0|', ' x |'],
    ['${n:-w}', 'value'],
    ['${unset:-w}', 'w'],
    ['${empty:-w}', 'w'],
    ['${empty-w}', ''],
    ['${unset-w}', 'w'],
    ['${unset-}', ''],
    ['${n:+w}', 'w'],
    ['${empty:+w}', ''],
    ['${empty+w}', 'w'],
    ['${unset+w}', ''],
    ['${n:?m}', 'value'],
    ['${empty?m}', ''],
    ['${unset:-${n}}', 'value'],
    ['${unset:-${unset:-$n}}x', 'valuex'],
    ['${unset:-"a } b"}', 'a } b'],
    ['${unset:-a\\}b}', 'a}b'],
    ['${path#*/}', 'a/b/c.tar.gz'],
    ['${path##*/}', 'c.tar.gz'],
    ['${path%.*}', '/a/b/c.tar'],
    ['${path%%.*}', '/a/b/c'],
    ['${path#nothing}', '/a/b/c.tar.gz'],
    ['${path#/?/}', 'b/c.tar.gz'],
    ['${n%ue}', 'val'],
    ['${n%$unset}', 'value'],
    ['${n#${other}}', 'value'],
    ['${path/\\//_}', '_a/b/c.tar.gz'],
    ['${path//\\//_}', '_a_b_c.tar.gz'],
    ['${path/b*r/X}', '/a/X.gz'],
    ['${path//?.}', null],
    ['${n/a/}', 'vlue'],
    ['${n//l/\\}}', 'va\\}ue'],
    ['${n//?/-}', '-----'],
    ['${n/*/x}', 'x'],
    ['${n//*/x}', 'x'],
    ['${n//l/[$0$1$$]}', 'va[]ue'],
    ["'$n'", '$n'],
    ['"$n"', 'value'],
    ['"a b"', 'a b'],
    ['"\\$n \\" \\\\ \\x"', '$n " \\ \\x'],
    ["'a\\b'", 'a\\b'],
    ['\\$n', '$n'],
    ['a\\ b\\c', 'a bc'],
    ['trailing\\', 'trailing'],
    ['""', ''],
    ['a"b"\'c\'d', 'abcd'],
    ['"it\'s"', "it's"],
  ])('of %s gives %j', (word, expected) => {
    if (expected === null) expect(() => expand(word)).toThrow()
    else expect(expand(word)).toBe(expected)
  })

  test.each([
    ['${unset:?}', 'unset: is not allowed to be unset'],
    ['${unset?}', 'unset: is not allowed to be unset'],
    ['${empty:?}', 'empty: is not allowed to be empty'],
    ['${unset:?give $n}', 'unset: give value'],
    ['${n:=w}', 'unsupported modifier (:=) in substitution'],
    ['${n=w}', 'unsupported modifier (=) in substitution'],
    ['${n:#w}', 'unsupported modifier (:#) in substitution'],
    ['${n:%w}', 'unsupported modifier (:%) in substitution'],
    ['${n^}', 'unsupported modifier (^) in substitution'],
    ['${n,}', 'unsupported modifier (,) in substitution'],
    ['${}', 'syntax error: bad substitution'],
    ['${:-x}', 'syntax error: bad substitution'],
    ['${{', 'syntax error: bad substitution'],
    ['${', "syntax error: missing '}'"],
    ['${n', "syntax error: missing '}'"],
    ['${n:', "syntax error: missing '}'"],
    ['${n:-x', "syntax error: missing '}'"],
    ['${n//x}', "syntax error: missing '/' in ${}"],
    ['${n/x/y', "syntax error: missing '}'"],
    ['${n#\\a}', "invalid pattern (\\a) in substitution: invalid escape '\\a'"],
    ["'a", 'unexpected end of statement while looking for matching single-quote'],
    ['"a', 'unexpected end of statement while looking for matching double-quote'],
  ])('of %s fails: %s', (word, reason) => {
    expect(() => expand(word)).toThrow(`failed to process ${JSON.stringify(word)}: ${reason}`)
  })

  test('with the backtick as escape character leaves backslashes alone', () => {
    expect(expand('C:\\dir\\`$n "`"" `` $n', '`')).toBe('C:\\dir\\$n " ` value')
  })

  test('with literal quotes is what an unquoted heredoc does', () => {
    const options = { escape: '\\', quotes: 'literal' } as const
    expect(expandWord('"$n" \'$n\' \\$n \\\\', lookup, options)).toBe('"value" \'value\' $n \\')
  })

  test('reports each variable that is not set, also where a default stands in', () => {
    const unset: string[] = []
    expandWord('$a ${b:-x} ${c} $n', lookup, { escape: '\\', onUnset: (name) => unset.push(name) })
    expect(unset).toEqual(['a', 'b', 'c'])
  })

  test('refuses substitutions without end inside each other', () => {
    expect(() => expand('${a:-'.repeat(50_000))).toThrow('substitutions inside each other')
  })

  test('refuses to grow without limit', () => {
    const long = 'x'.repeat(1024 * 1024)
    expect(() => expandWord('$a$a$a$a$a', () => long, { escape: '\\' })).toThrow('the result is longer than')
  })

  test('of a quoted word gives the word back', () => {
    const single = (text: string) => `'${text.replaceAll("'", `'"'"'`)}'`
    const double = (text: string) => `"${text.replace(/["$\\]/g, '\\$&')}"`
    const escaped = (text: string) => Array.from(text, (character) => `\\${character}`).join('')
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        for (const quote of [single, double, escaped]) expect(expand(quote(text))).toBe(text)
      }),
    )
  })

  test('ends in a value or an OssbError for any text', () => {
    const piece = fc.constantFrom('$', '{', '}', '/', '#', '%', ':', '-', '\\', '"', "'", 'n', '*', '?', ' ')
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        try {
          expand(pieces.join(''))
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_OSSB_DOCKERFILE' })
        }
      }),
      { numRuns: 2000 },
    )
  })
})

describe('expandWords()', () => {
  const split = (word: string) => expandWords(word, lookup, { escape: '\\' })

  test.each([
    ['a b', ['a', 'b']],
    ['  a   b  ', ['a', 'b']],
    ['"a b" c', ['a b', 'c']],
    ['a\\ b', ['a b']],
    ['$words', ['one', 'two']],
    ['"$words"', ['one  two']],
    ['x${words}y', ['xone', 'twoy']],
    ['$unset', []],
    ['""', []],
  ])('of %s gives %j', (word, expected) => {
    expect(split(word)).toEqual(expected)
  })

  test('takes quoted words apart again', () => {
    const word = fc.string({ minLength: 1 })
    fc.assert(
      fc.property(fc.array(word), (words) => {
        expect(split(words.map((text) => `'${text.replaceAll("'", `'"'"'`)}'`).join(' '))).toEqual(words)
      }),
    )
  })
})
