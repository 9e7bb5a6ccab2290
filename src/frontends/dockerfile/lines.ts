import { Buffer } from 'node:buffer'
import type { SourceRange } from '../../core/index.ts'
import { dockerfileError } from './dockerfile-error.ts'

const MAX_LINE_BYTES = 65_535

/** The physical lines of a file, taken one after the other; `line` is the number of the last one taken, from 1. */
export interface LineReader {
  readonly file: string
  readonly line: number
  /** The next line with its ending, or undefined at the end. */
  next(): string | undefined
}

/** @throws OssbError ERR_OSSB_DOCKERFILE, later from `next()`, for a line that is too long */
export function createLineReader(file: string, text: string): LineReader {
  const lines = text.replace(/^\uFEFF/, '').match(/[^\n]*\n|[^\n]+/g) ?? []
  let taken = 0
  return {
    file,
    get line() {
      return taken
    },
    next() {
      const line = lines[taken]
      if (line === undefined) return undefined
      taken += 1
      if (line.length > MAX_LINE_BYTES / 3 && Buffer.byteLength(stripNewline(line)) > MAX_LINE_BYTES) {
        throw dockerfileError(`dockerfile line greater than max allowed size of ${MAX_LINE_BYTES}`, {
          source: { file, startLine: taken, endLine: taken },
        })
      }
      return line
    },
  }
}

export function stripNewline(line: string): string {
  let end = line.length
  while (end > 0 && (line[end - 1] === '\n' || line[end - 1] === '\r')) end -= 1
  return line.slice(0, end)
}

/** One instruction's lines joined, without comments; bodies of heredocs are not part of it. */
export interface LogicalLine {
  readonly text: string
  readonly range: SourceRange
  /** The comment lines directly above, without `#`. */
  readonly comments: readonly string[]
  /** The last line, where a blank line stands inside of it. */
  readonly emptyContinuation?: number
}

/** Takes the lines of the next instruction, or gives undefined when only comments and blank lines are left. */
export function readLogicalLine(reader: LineReader, escape: string): LogicalLine | undefined {
  let comments: string[] = []
  for (let raw = reader.next(); raw !== undefined; raw = reader.next()) {
    const line = stripNewline(raw).trimStart()
    if (line.startsWith('#')) {
      comments.push(line.slice(1).trim())
      continue
    }
    const first = splitContinuation(line, escape)
    if (first.text === '' && !first.continues) {
      comments = []
      continue
    }
    const startLine = reader.line
    const rest = first.continues ? readContinuation(reader, escape) : { parts: [], empty: false }
    return {
      text: first.text + rest.parts.join(''),
      range: { file: reader.file, startLine, endLine: reader.line },
      comments,
      ...(rest.empty ? { emptyContinuation: reader.line } : {}),
    }
  }
  return undefined
}

function readContinuation(reader: LineReader, escape: string): { parts: string[]; empty: boolean } {
  const parts: string[] = []
  let empty = false
  for (let raw = reader.next(); raw !== undefined; raw = reader.next()) {
    const line = stripNewline(raw)
    const trimmed = line.trimStart()
    if (trimmed.startsWith('#')) continue
    if (trimmed === '') {
      empty = true
      continue
    }
    const { text, continues } = splitContinuation(line, escape)
    parts.push(text)
    if (!continues) break
  }
  return { parts, empty }
}

/** A line continues when it ends in the escape character, which a second one before it would make literal. */
function splitContinuation(line: string, escape: string): { text: string; continues: boolean } {
  let end = line.length
  while (end > 0 && (line[end - 1] === ' ' || line[end - 1] === '\t')) end -= 1
  const continues = end > 0 && line[end - 1] === escape && (end === 1 || line[end - 2] !== escape)
  return continues ? { text: line.slice(0, end - 1), continues } : { text: line, continues }
}
