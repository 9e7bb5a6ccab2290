import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { expandWord, expandWords } from '../../../../src/frontends/dockerfile/words.ts'

/*
 * What a word means is worked out twice: from its tree, by the few lines here, and from the text of that tree, by the
 * program.
 */
type Part =
  /** Any characters, as they are. */
  | { readonly kind: 'text'; readonly text: string }
  /** What parts words, where it is not in quotes. */
  | { readonly kind: 'blank'; readonly text: string }
  | { readonly kind: 'single'; readonly text: string }
  | { readonly kind: 'double'; readonly parts: readonly Part[] }
  /** `$name/`: the slash ends the name. */
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'braces'; readonly name: string; readonly change?: Change }

type Change =
  | { readonly mark: '-' | ':-' | '+' | ':+' | '?' | ':?'; readonly word: readonly Part[] }
  | { readonly mark: '#' | '##' | '%' | '%%'; readonly word: readonly Part[] }
  | { readonly mark: '/' | '//'; readonly word: readonly Part[]; readonly replacement: string }

const VALUES = new Map([
  ['n', 'abcab'],
  ['empty', ''],
  ['_blank', ' a  b '],
  ['ünï1', '$n"\'\\`}'],
])

type Escape = '\\' | '`'

const textOf = (parts: readonly Part[], escape: Escape, quoted = false): string =>
  parts.map((part) => textOfPart(part, escape, quoted)).join('')

function textOfPart(part: Part, escape: Escape, quoted: boolean): string {
  if (part.kind === 'single') return `'${part.text}'`
  if (part.kind === 'double') return `"${textOf(part.parts, escape, true)}"`
  if (part.kind === 'blank') return part.text
  if (part.kind === 'name') return `$${part.name}/`
  if (part.kind === 'text') {
    const special = (character: string) =>
      quoted ? ['"', '$', escape].includes(character) : !/[\p{L}\p{N}]/u.test(character)
    return Array.from(part.text, (character) => (special(character) ? escape + character : character)).join(
      '',
    )
  }
  const { name, change } = part
  if (change === undefined) return `\${${name}}`
  const end = 'replacement' in change ? `/${change.replacement}` : ''
  return `\${${name}${change.mark}${textOf(change.word, escape)}${end}}`
}

/** A stretch of the result; quotes keep it from being split. */
interface Piece {
  readonly text: string
  readonly quoted: boolean
}

class Refused extends Error {}

function meaningOf(part: Part): Piece {
  if (part.kind === 'text' || part.kind === 'single') return { text: part.text, quoted: true }
  if (part.kind === 'double') return { text: resultOf(part.parts), quoted: true }
  if (part.kind === 'blank') return { text: part.text, quoted: false }
  const value = VALUES.get(part.name)
  if (part.kind === 'name') return { text: `${value ?? ''}/`, quoted: false }
  return { text: part.change === undefined ? (value ?? '') : changed(value, part.change), quoted: false }
}

const resultOf = (parts: readonly Part[]): string => parts.map((part) => meaningOf(part).text).join('')

function changed(value: string | undefined, change: Change): string {
  const word = resultOf(change.word)
  const isThere = change.mark.startsWith(':') ? (value ?? '') !== '' : value !== undefined
  const text = value ?? ''
  if ('replacement' in change)
    return change.mark === '/'
      ? text.replace(word, change.replacement)
      : text.replaceAll(word, change.replacement)
  if (change.mark.endsWith('-')) return isThere ? text : word
  if (change.mark.endsWith('+')) return isThere ? word : ''
  if (change.mark.endsWith('?')) {
    if (isThere) return text
    throw new Refused()
  }
  if (change.mark.startsWith('#')) return text.startsWith(word) ? text.slice(word.length) : text
  return text.endsWith(word) ? text.slice(0, text.length - word.length) : text
}

/** Words of the pieces: what is not in quotes is split, wherever it came from. */
function split(parts: readonly Part[]): readonly string[] {
  const words = ['']
  for (const { text, quoted } of parts.map(meaningOf)) {
    const [first = '', ...others] = quoted ? [text] : text.split(/\s/)
    words.push(`${words.pop() ?? ''}${first}`, ...others)
  }
  return words.filter((word) => word !== '')
}

const name = fc.constantFrom('n', 'empty', 'unset', '_blank', 'ünï1')
const anyText = fc.record({
  kind: fc.constant('text' as const),
  text: fc.string({ unit: 'binary', maxLength: 4 }),
})
const simple: fc.Arbitrary<Part> = fc.oneof(
  anyText,
  fc.record({ kind: fc.constant('name' as const), name }),
  fc.record({ kind: fc.constant('braces' as const), name }),
)
/** Patterns mean themselves here: what their own characters mean has a test of its own. */
const pattern = (minLength: number): fc.Arbitrary<readonly Part[]> =>
  fc.array(
    fc.oneof(
      fc.record({ kind: fc.constant('text' as const), text: fc.constantFrom('a', 'ab', 'c', 'cab') }),
      fc.record({ kind: fc.constant('braces' as const), name: fc.constantFrom('n', 'empty', 'unset') }),
    ),
    { minLength, maxLength: 2 },
  )

const { parts } = fc.letrec<{ parts: readonly Part[]; inQuotes: readonly Part[]; braces: Part }>((tie) => ({
  braces: fc.record({
    kind: fc.constant('braces' as const),
    name,
    change: fc.oneof(
      { depthSize: 'small', maxDepth: 3 },
      fc.record({ mark: fc.constantFrom('#', '##', '%', '%%'), word: pattern(0) }),
      fc.record({
        mark: fc.constantFrom('/', '//'),
        // Without a pattern the two slashes of "/" are one mark.
        word: pattern(1),
        replacement: fc.stringMatching(/^[a-z ]{0,3}$/),
      }),
      fc.record({
        mark: fc.constantFrom('-', ':-', '+', ':+', '-', ':-', '+', ':+', '?', ':?'),
        word: tie('parts'),
      }),
    ),
  }),
  inQuotes: fc.array(fc.oneof(simple, tie('braces')), { maxLength: 3 }),
  parts: fc.array(
    fc.oneof(
      simple,
      fc.record({ kind: fc.constant('blank' as const), text: fc.constantFrom(' ', '  ', '\t') }),
      fc.record({ kind: fc.constant('single' as const), text: fc.stringMatching(/^[^']{0,4}$/) }),
      fc.record({ kind: fc.constant('double' as const), parts: tie('inQuotes') }),
      tie('braces'),
    ),
    { maxLength: 4 },
  ),
}))

const escapes = fc.constantFrom<Escape>('\\', '`')
const lookup = (variable: string) => VALUES.get(variable)

/** What `work` gives, or that it refuses to. */
function outcome<Result>(work: () => Result): Result | 'refused' {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof Refused)) expect(error).toMatchObject({ code: 'ERR_OSSB_DOCKERFILE' })
    return 'refused'
  }
}

test('a word expands to what its tree means', () => {
  fc.assert(
    fc.property(parts, escapes, (tree, escape) => {
      const text = textOf(tree, escape)
      expect(outcome(() => expandWord(text, lookup, { escape }))).toEqual(outcome(() => resultOf(tree)))
    }),
    { numRuns: 1000 },
  )
})

test('a word is split where its tree has blanks that nothing quotes', () => {
  fc.assert(
    fc.property(parts, escapes, (tree, escape) => {
      const text = textOf(tree, escape)
      expect(outcome(() => expandWords(text, lookup, { escape }))).toEqual(outcome(() => split(tree)))
    }),
    { numRuns: 1000 },
  )
})
