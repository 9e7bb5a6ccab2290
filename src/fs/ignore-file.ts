import { cleanPattern } from './pattern.ts'

/**
 * The patterns of a .dockerignore file, cleaned and relative to the context. A comment has its "#" in the first
 * column; blanks around a pattern and behind its "!" do not count.
 */
export function parseIgnoreFile(text: string): readonly string[] {
  return text
    .replace(/^\ufeff/, '')
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => (line.startsWith('!') ? `!${relative(line.slice(1).trim())}` : relative(line)))
}

function relative(pattern: string): string {
  if (pattern === '') return ''
  const cleaned = cleanPattern(pattern)
  return cleaned.length > 1 ? cleaned.replace(/^\//, '') : cleaned
}
