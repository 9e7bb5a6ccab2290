import type { SourceRange } from '../index.ts'
import { sanitizeText } from './progress/text.ts'

const RULE = '-'.repeat(20)

/**
 * The lines of a file that an error is about, marked, with some of those around them:
 * two on each side of a single line, one on each side of more.
 * Without the text, or where the range lies outside it, just the place.
 */
export function codeFrame(range: SourceRange, text?: string): readonly string[] {
  return codeFrameOf(range, text === undefined ? [] : textLines(text))
}

/** The lines of a text, for several frames. */
export function textLines(text: string): readonly string[] {
  return text.replace(/\n$/, '').split('\n')
}

/** As codeFrame(). */
export function codeFrameOf(range: SourceRange, lines: readonly string[]): readonly string[] {
  const place = `${range.file}:${range.startLine}`
  const last = Math.min(range.endLine, lines.length)
  if (range.startLine < 1 || range.startLine > last) return [place]
  const around = range.startLine === last ? 2 : 1
  const from = Math.max(1, range.startLine - around)
  const to = Math.min(lines.length, last + around)
  const excerpt = lines.slice(from - 1, to).map((line, index) => {
    const number = from + index
    const mark = number >= range.startLine && number <= last ? '>>>' : '   '
    return ` ${String(number).padStart(3)} | ${mark} ${sanitizeText(line)}`.trimEnd()
  })
  return [place, RULE, ...excerpt, RULE]
}
