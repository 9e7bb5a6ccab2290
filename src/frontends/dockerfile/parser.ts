import type { SourceRange } from '../../core/index.ts'
import { type Directives, parseDirectives } from './directives.ts'
import { dockerfileError, locate } from './dockerfile-error.ts'
import { extractFlags } from './flags.ts'
import { findHeredocs, type Heredoc, readHeredocs } from './heredoc.ts'
import { parseJsonForm } from './json-form.ts'
import { createLineReader, type LineReader, type LogicalLine, readLogicalLine } from './lines.ts'
import { type NameValue, parseNameValues, splitWords } from './word-list.ts'

/** One instruction taken apart, with nothing said yet about what its parts mean. */
export interface InstructionNode {
  /** As written: `run`. */
  readonly keyword: string
  /** In upper case: `RUN`. */
  readonly name: string
  readonly flags: readonly string[]
  readonly arguments: Arguments
  readonly heredocs: readonly Heredoc[]
  /** The line, joined, without comments and bodies of heredocs. */
  readonly text: string
  /** The comment lines directly above. */
  readonly comments: readonly string[]
  /** The last line but for bodies of heredocs, where a blank line stands inside of the instruction. */
  readonly emptyContinuation?: number
  readonly range: SourceRange
}

export interface Arguments {
  /** Whether they are a JSON array. */
  readonly json: boolean
  readonly words: readonly string[]
  /** Those of ENV and LABEL. */
  readonly pairs: readonly NameValue[]
  /** ENV and LABEL without equals sign. */
  readonly legacy: boolean
  /** The instruction that ONBUILD defers. */
  readonly trigger?: Pick<InstructionNode, 'name' | 'flags' | 'arguments'>
}

export interface SyntaxTree {
  readonly directives: Directives
  readonly nodes: readonly InstructionNode[]
}

/** Everything up to the limit of a Dockerfile's size: 16 MiB, many times the largest that people write. */
const MAX_TEXT = 16 * 1024 * 1024

/** @throws OssbError ERR_OSSB_DOCKERFILE with the place */
export function parseSyntax(file: string, text: string): SyntaxTree {
  if (text.length === 0) throw dockerfileError('the Dockerfile cannot be empty', { source: atLine(file, 1) })
  if (text.length > MAX_TEXT) throw dockerfileError(`the Dockerfile is longer than ${MAX_TEXT} characters`)
  const directives = parseDirectives(file, text)
  const reader = createLineReader(file, text)
  for (let line = 0; line < directives.lines; line += 1) reader.next()
  const nodes = parseNodes(reader, directives.escape)
  if (nodes.length === 0)
    throw dockerfileError('file with no instructions', { source: atLine(file, Math.max(1, reader.line)) })
  return { directives, nodes }
}

/** The instructions of a text that has no directives: a stored ONBUILD trigger. */
export function parseTrigger(file: string, text: string): readonly InstructionNode[] {
  return parseNodes(createLineReader(file, text), '\\')
}

function atLine(file: string, line: number): SourceRange {
  return { file, startLine: line, endLine: line }
}

function parseNodes(reader: LineReader, escape: string): readonly InstructionNode[] {
  const nodes: InstructionNode[] = []
  for (let line = readLogicalLine(reader, escape); line; line = readLogicalLine(reader, escape))
    nodes.push(parseNode(line, reader, escape))
  return nodes
}

function parseNode(line: LogicalLine, reader: LineReader, escape: string): InstructionNode {
  const instruction = locate(line.range, () => parseInstructionText(line.text, escape))
  const heads = mayHaveHeredocs(instruction) ? findHeredocs(line.text) : []
  const heredocs = readHeredocs(heads, reader, line.range.startLine)
  const { file, startLine } = line.range
  const node = {
    keyword: instruction.keyword,
    name: instruction.name,
    flags: instruction.flags,
    arguments: instruction.arguments,
    heredocs,
    text: line.text.trim(),
    comments: line.comments,
    range: { file, startLine, endLine: reader.line },
  }
  const { emptyContinuation } = line
  return emptyContinuation === undefined ? node : { ...node, emptyContinuation }
}

type Split = Pick<InstructionNode, 'keyword' | 'name' | 'flags' | 'arguments'>

const BLANKS = /[\t\v\f\r ]+/

function parseInstructionText(text: string, escape: string): Split {
  const trimmed = text.trim()
  const blank = BLANKS.exec(trimmed)
  const keyword = blank === null ? trimmed : trimmed.slice(0, blank.index)
  const name = keyword.toUpperCase()
  const tail = blank === null ? '' : trimmed.slice(blank.index + blank[0].length)
  const { flags, rest } = extractFlags(tail, escape)
  const parse = Object.hasOwn(ARGUMENT_PARSERS, name) ? ARGUMENT_PARSERS[name] : undefined
  return { keyword, name, flags, arguments: parse?.({ rest: rest.trim(), escape, name }) ?? NO_ARGUMENTS }
}

function mayHaveHeredocs({ name, arguments: args }: Pick<Split, 'name' | 'arguments'>): boolean {
  if (name === 'ONBUILD') return args.trigger !== undefined && mayHaveHeredocs(args.trigger)
  return (name === 'RUN' || name === 'COPY' || name === 'ADD') && !args.json
}

const NO_ARGUMENTS: Arguments = { json: false, words: [], pairs: [], legacy: false }

interface ArgumentText {
  readonly rest: string
  readonly escape: string
  readonly name: string
}

type ArgumentParser = (text: ArgumentText) => Arguments

function words(list: readonly string[]): Arguments {
  return { ...NO_ARGUMENTS, words: list }
}

const whole: ArgumentParser = ({ rest }) => words(rest === '' ? [] : [rest])
const blankSeparated: ArgumentParser = ({ rest }) => words(rest === '' ? [] : rest.split(BLANKS))

const jsonOr =
  (otherwise: ArgumentParser): ArgumentParser =>
  (text) => {
    const items = parseJsonForm(text.rest)
    return items === undefined ? otherwise(text) : { ...NO_ARGUMENTS, json: true, words: items }
  }

const nameValues: ArgumentParser = ({ rest, escape, name }) => ({
  ...NO_ARGUMENTS,
  ...parseNameValues(rest, escape, name),
})

/** A type word, then a command: the words are the type and what follows it. */
const healthcheck: ArgumentParser = (text) => {
  const blank = BLANKS.exec(text.rest)
  if (blank === null) return whole(text)
  const type = text.rest.slice(0, blank.index)
  const command = jsonOr(whole)({ ...text, rest: text.rest.slice(blank.index + blank[0].length) })
  return { ...command, words: [type, ...command.words] }
}

const CHAINED: Split = { keyword: 'ONBUILD', name: 'ONBUILD', flags: [], arguments: NO_ARGUMENTS }

/** A chain of ONBUILDs is not followed: it is an error in any case, and may be as long as the line. */
const subInstruction: ArgumentParser = ({ rest, escape }) => {
  if (rest === '') return NO_ARGUMENTS
  const trigger = /^onbuild(?![^\s])/i.test(rest) ? CHAINED : parseInstructionText(rest, escape)
  return { ...words([rest]), trigger }
}

/** How the arguments of each instruction are cut; those of an unknown one are not looked at. */
const ARGUMENT_PARSERS: Readonly<Record<string, ArgumentParser>> = {
  ADD: jsonOr(blankSeparated),
  ARG: ({ rest, escape }) => words(splitWords(rest, escape)),
  CMD: jsonOr(whole),
  COPY: jsonOr(blankSeparated),
  ENTRYPOINT: jsonOr(whole),
  ENV: nameValues,
  EXPOSE: blankSeparated,
  FROM: blankSeparated,
  HEALTHCHECK: healthcheck,
  LABEL: nameValues,
  MAINTAINER: whole,
  ONBUILD: subInstruction,
  RUN: jsonOr(whole),
  SHELL: jsonOr(whole),
  STOPSIGNAL: whole,
  USER: whole,
  VOLUME: jsonOr(blankSeparated),
  WORKDIR: whole,
}

/** The eighteen instructions. */
export const INSTRUCTION_NAMES: readonly string[] = Object.keys(ARGUMENT_PARSERS)
