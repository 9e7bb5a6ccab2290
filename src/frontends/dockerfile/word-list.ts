import { dockerfileError } from './dockerfile-error.ts'
import { goQuote } from './go-format.ts'

const SPACE = /\s/

/** Splits at blanks that are neither quoted nor escaped. Words keep their quotes and escapes. */
export function splitWords(text: string, escape: string): readonly string[] {
  const words: string[] = []
  let start = -1
  let quote = ''
  for (let position = 0; position < text.length; position += 1) {
    const character = text[position] ?? ''
    if (quote === '' && SPACE.test(character)) {
      if (start !== -1) words.push(text.slice(start, position))
      start = -1
      continue
    }
    if (start === -1) start = position
    if (character === escape && quote !== "'") position += 1
    else if (character === quote) quote = ''
    else if (quote === '' && (character === '"' || character === "'")) quote = character
  }
  if (start !== -1) words.push(withoutLoneEscape(text.slice(start), escape))
  return words
}

/** An escape character at the very end escapes nothing, and is dropped. */
function withoutLoneEscape(word: string, escape: string): string {
  let count = 0
  while (count < word.length && word[word.length - 1 - count] === escape) count += 1
  return count % 2 === 1 ? word.slice(0, -1) : word
}

export interface NameValue {
  readonly name: string
  readonly value: string
}

export interface NameValues {
  readonly pairs: readonly NameValue[]
  /** `NAME value with blanks`: the form without an equals sign. */
  readonly legacy: boolean
}

/** The arguments of ENV and LABEL. */
export function parseNameValues(text: string, escape: string, instruction: string): NameValues {
  const words = splitWords(text, escape)
  const first = words[0]
  if (first === undefined) return { pairs: [], legacy: false }
  if (!first.includes('=')) return { pairs: [parseLegacy(text, instruction)], legacy: true }
  return { pairs: words.map(parseNameValue), legacy: false }
}

function parseLegacy(text: string, instruction: string): NameValue {
  const blank = /[\t\v\f\r ]+/.exec(text)
  if (blank === null) throw dockerfileError(`${instruction} must have two arguments`)
  return { name: text.slice(0, blank.index), value: text.slice(blank.index + blank[0].length) }
}

function parseNameValue(word: string): NameValue {
  const equals = word.indexOf('=')
  if (equals === -1) {
    throw dockerfileError(
      `Syntax error - can't find = in ${goQuote(word)}. Must be of the form: name=value`,
      {
        hint: word.startsWith('#')
          ? 'A comment is a line of its own; anywhere else "#" is text.'
          : 'A value with blanks is written in quotes: NAME="first second".',
      },
    )
  }
  return { name: word.slice(0, equals), value: word.slice(equals + 1) }
}
