import { stripVTControlCharacters } from 'node:util'

const TAB_WIDTH = 8
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/

/** Text from outside without control sequences and control characters, and with tabs as blanks. */
export function sanitizeText(text: string): string {
  if (!CONTROL.test(text)) return text
  return expandTabs(stripVTControlCharacters(text).replace(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/g, ''))
}

function expandTabs(text: string): string {
  const [first = '', ...others] = text.split('\t')
  return others.reduce(
    (line, part) => line + ' '.repeat(TAB_WIDTH - (textWidth(line) % TAB_WIDTH)) + part,
    first,
  )
}

const ZERO_WIDTH = /^[\p{Mn}\p{Me}\p{Cf}]$/u
const DOUBLE_WIDTH =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]$/u

function characterWidth(character: string): number {
  if (character < '\u0300') return 1
  if (ZERO_WIDTH.test(character)) return 0
  return DOUBLE_WIDTH.test(character) ? 2 : 1
}

/** Columns that a text takes on a terminal. */
export function textWidth(text: string): number {
  let width = 0
  for (const character of text) width += characterWidth(character)
  return width
}

/** The text in at most `width` columns; what is cut off leaves an ellipsis. */
export function fitText(text: string, width: number): string {
  if (textWidth(text) <= width) return text
  let fitting = ''
  let used = 0
  for (const character of text) {
    used += characterWidth(character)
    if (used > width - 1) break
    fitting += character
  }
  return `${fitting}…`
}
