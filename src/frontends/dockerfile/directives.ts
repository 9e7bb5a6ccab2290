import type { SourceRange } from '../../core/index.ts'
import { dockerfileError } from './dockerfile-error.ts'

/** The parser directives at the head of a Dockerfile: `# syntax=`, `# escape=`, `# check=`. */
export interface Directives {
  readonly escape: '\\' | '`'
  readonly syntax?: { readonly value: string; readonly range: SourceRange }
  readonly check?: { readonly value: string; readonly range: SourceRange }
  /** How many lines at the head of the file are directives. */
  readonly lines: number
}

const NAME = /^([a-zA-Z][a-zA-Z0-9]*)\s*=/
const KNOWN = ['syntax', 'escape', 'check'] as const

type DirectiveName = (typeof KNOWN)[number]

interface Directive {
  readonly name: DirectiveName
  readonly value: string
  readonly range: SourceRange
}

/** Reads the directives: the first lines only, up to the first that is something else. */
export function parseDirectives(file: string, text: string): Directives {
  const found = new Map<DirectiveName, Directive>()
  const head = leadingComments(text)
  let lines = 0
  for (const line of head) {
    const directive = parseDirective(line, { file, startLine: lines + 1, endLine: lines + 1 })
    if (directive === undefined) break
    if (found.has(directive.name)) {
      throw dockerfileError(`only one ${directive.name} parser directive can be used`, {
        source: directive.range,
      })
    }
    found.set(directive.name, directive)
    lines += 1
  }
  const syntax = found.get('syntax') ?? syntaxAfterShebang(file, head) ?? foreignSyntax(file, text)
  const check = found.get('check')
  return {
    escape: escapeOf(found.get('escape')),
    ...(syntax === undefined ? {} : { syntax }),
    ...(check === undefined ? {} : { check }),
    lines,
  }
}

/** The comment lines at the very start. */
function leadingComments(text: string): readonly string[] {
  const lines: string[] = []
  let start = text.startsWith('\uFEFF') ? 1 : 0
  while (start < text.length) {
    const end = text.indexOf('\n', start)
    const line = text.slice(start, end === -1 ? text.length : end).trim()
    if (!line.startsWith('#')) break
    lines.push(line)
    start = end === -1 ? text.length : end + 1
  }
  return lines
}

function parseDirective(line: string, range: SourceRange): Directive | undefined {
  const body = line.slice(1).trim()
  const match = NAME.exec(body)
  if (match === null) return undefined
  const name = KNOWN.find((known) => known === match[1]?.toLowerCase())
  const value = body.slice(match[0].length).trim()
  return name === undefined || value === '' ? undefined : { name, value, range }
}

/** A file that is made executable by `#!` may name its syntax on the second line; nothing else is a directive there. */
function syntaxAfterShebang(file: string, head: readonly string[]): Directive | undefined {
  if (!head[0]?.startsWith('#!') || head[1] === undefined) return undefined
  const directive = parseDirective(head[1], { file, startLine: 2, endLine: 2 })
  return directive?.name === 'syntax' ? directive : undefined
}

const SLASHES = /^\/\/\s*syntax\s*=(.*)$/i

/** Files of other frontends name their syntax in a comment of two slashes, or as a member of one JSON object. */
function foreignSyntax(file: string, text: string): Directive | undefined {
  const [first = '', second = ''] = text.replace(/^\uFEFF/, '').split('\n', 2)
  const line = first.startsWith('#!') ? 2 : 1
  const comment = SLASHES.exec((line === 2 ? second : first).trim())
  const value = comment === null ? jsonSyntax(text) : comment[1]?.trim()
  if (value === undefined || value === '') return undefined
  return { name: 'syntax', value, range: { file, startLine: line, endLine: line } }
}

function jsonSyntax(text: string): string | undefined {
  if (!/^\s*\{/.test(text)) return undefined
  try {
    const { syntax } = JSON.parse(text) as { readonly syntax?: unknown }
    return typeof syntax === 'string' ? syntax : undefined
  } catch {
    return undefined
  }
}

function escapeOf(directive: Directive | undefined): '\\' | '`' {
  if (directive === undefined) return '\\'
  if (directive.value === '\\' || directive.value === '`') return directive.value
  throw dockerfileError(`invalid escape token '${directive.value}' does not match \` or \\`, {
    source: directive.range,
  })
}
