import { dockerfileError } from './dockerfile-error.ts'
import { goQuote } from './go-format.ts'
import { type LineReader, stripNewline } from './lines.ts'
import { splitWords } from './word-list.ts'
import { expandWords } from './words.ts'

/** A here-document of RUN, COPY or ADD. */
export interface Heredoc {
  readonly name: string
  /** Every line with its ending, as written. */
  readonly content: string
  /** `<<-`: leading tabs go. */
  readonly chomp: boolean
  /** Whether variables in the body are expanded: not where the delimiter is quoted. */
  readonly expand: boolean
}

export type HeredocHead = Omit<Heredoc, 'content'>

/** Heredocs are cut from the shell's own syntax, whose escape character no directive changes. */
const ESCAPE = '\\'
const HEAD = /^\d*<<(-?)([^<]*)$/

/** A delimiter is never expanded: `<<$A` ends at a line that says so. */
const unexpanded = (name: string) => `$${name}`

/** Reads `<<NAME`, `<<-NAME`, `<<"NAME"`, `3<<NAME`; undefined for any other word. */
export function parseHeredocHead(word: string): HeredocHead | undefined {
  const match = HEAD.exec(word)
  const delimiter = match?.[2]?.trim()
  if (match === null || delimiter === undefined || delimiter === '') return undefined
  try {
    const names = expandWords(delimiter, unexpanded, { escape: ESCAPE })
    const [name] = names
    if (name === undefined || names.length !== 1) return undefined
    return { name, chomp: match[1] === '-', expand: name === delimiter }
  } catch {
    return undefined
  }
}

/** The heredocs that an instruction's line announces, in order. */
export function findHeredocs(line: string): readonly HeredocHead[] {
  if (!line.includes('<<')) return []
  return splitWords(line, ESCAPE).flatMap((word) => parseHeredocHead(word) ?? [])
}

/** Takes the bodies of `heads` from the lines that follow. */
export function readHeredocs(
  heads: readonly HeredocHead[],
  reader: LineReader,
  startLine: number,
): readonly Heredoc[] {
  return heads.map((head) => ({ ...head, content: readBody(head, reader, startLine) }))
}

function readBody({ name, chomp }: HeredocHead, reader: LineReader, startLine: number): string {
  const lines: string[] = []
  for (let raw = reader.next(); raw !== undefined; raw = reader.next()) {
    const line = stripNewline(raw)
    if ((chomp ? line.replace(/^\t+/, '') : line) === name) return lines.join('')
    lines.push(raw)
  }
  throw dockerfileError('unterminated heredoc', {
    source: { file: reader.file, startLine, endLine: reader.line },
  })
}

/** The body as it is to be used. */
export function heredocBody({ content, chomp }: Heredoc): string {
  return chomp ? content.replace(/^\t+/gm, '') : content
}

/** The name of the file that a heredoc becomes. */
export function heredocFileName({ name }: HeredocHead): string {
  if (!name.includes('/') && name !== '.' && name !== '..') return name
  throw dockerfileError(`the heredoc ${goQuote(name)} cannot be a file: its name is a path`)
}

/** For people: the first line of a body. */
export function summarizeBody(body: string): string {
  const trimmed = body.trim()
  const end = trimmed.indexOf('\n')
  return end === -1 ? trimmed : `${trimmed.slice(0, end).trimEnd()}...`
}
