import { readdirSync, readFileSync } from 'node:fs'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { OssbError } from '../../../../src/core/index.ts'
import {
  type InstructionNode,
  parseSyntax,
  type SyntaxTree,
} from '../../../../src/frontends/dockerfile/parser.ts'

/*
 * A tree is printed, and the text parsed: the same tree has to come out. What a node says of its place and its own text
 * follows from the text, and is no part of it.
 */
type Node = Pick<InstructionNode, 'keyword' | 'name' | 'flags' | 'arguments' | 'heredocs'>
type Escape = '\\' | '`'

const ofNode = ({ keyword, name, flags, arguments: args, heredocs }: InstructionNode): Node => ({
  keyword,
  name,
  flags,
  arguments: args,
  heredocs,
})

const parseTree = (text: string): readonly Node[] => parseSyntax('Dockerfile', text).nodes.map(ofNode)

/** A flag word: what follows the equals sign in quotes, or with each character escaped that means something. */
function printFlag(flag: string, escape: Escape, quoted: boolean): string {
  const equals = flag.indexOf('=')
  if (equals === -1) return flag
  const value = flag.slice(equals + 1)
  const special = (character: string) =>
    quoted ? character === '"' || character === escape : /[\s"'\\`]/.test(character)
  const body = Array.from(value, (character) => (special(character) ? escape + character : character)).join(
    '',
  )
  return `${flag.slice(0, equals + 1)}${quoted ? `"${body}"` : body}`
}

function printArguments({ name, arguments: { json, words, pairs, legacy } }: Node): string {
  if (pairs.length > 0) return pairs.map((pair) => `${pair.name}${legacy ? ' ' : '='}${pair.value}`).join(' ')
  const [first = '', ...others] = words
  if (name === 'HEALTHCHECK') return `${first} ${json ? JSON.stringify(others) : others.join(' ')}`
  return json ? JSON.stringify(words) : words.join(' ')
}

function printNode(node: Node, escape: Escape, quoted = true): string {
  const rest = printArguments(node)
  const flags = node.flags.map((flag) => ` ${printFlag(flag, escape, quoted)}`).join('')
  return `${node.keyword}${flags}${rest.startsWith('--') ? ' --' : ''} ${rest}`
}

const printBodies = ({ heredocs }: Node): string =>
  heredocs.map(({ content, name }) => `${content}${name}\n`).join('')

function printTree(nodes: readonly Node[], escape: Escape): string {
  const lines = nodes.map((node) => `${printNode(node, escape)}\n${printBodies(node)}`)
  return `# escape=${escape}\n${lines.join('')}`
}

describe('the tree of a printed tree is the tree', () => {
  const GOLDEN = new URL('../../../golden/', import.meta.url).pathname
  const files = ['dockerfile', 'differential'].flatMap((kind) =>
    readdirSync(`${GOLDEN}${kind}`).flatMap((name) => {
      const text = textOf(`${GOLDEN}${kind}/${name}`)
      const tree = text === undefined ? undefined : treeOf(text)
      return tree === undefined ? [] : [[`${kind}/${name}`, tree] as const]
    }),
  )

  test.each(files)('for %s', (_name, { nodes, directives }) => {
    const tree = nodes.map(ofNode)
    expect(parseTree(printTree(tree, directives.escape))).toEqual(tree)
  })

  test('for the files of all golden cases but those that are no Dockerfiles', () => {
    expect(files.length).toBeGreaterThan(200)
  })
})

function textOf(directory: string): string | undefined {
  try {
    return readFileSync(`${directory}/Dockerfile`, 'utf8')
  } catch {
    return undefined
  }
}

function treeOf(text: string): SyntaxTree | undefined {
  try {
    return parseSyntax('Dockerfile', text)
  } catch (error) {
    if (error instanceof OssbError) return undefined
    throw error
  }
}

const letters = fc.stringMatching(/^[a-zA-Z_]{1,8}$/)
/** Text without blanks that begins neither a flag nor an array nor a heredoc, and continues no line. */
const word = fc.stringMatching(/^[a-z0-9$/.*{}#=ä🚀][a-z0-9$/.*{}#=ä🚀"'[\]\\`,-]{0,8}[a-z]$/u)
const sentence = fc.array(word, { minLength: 1, maxLength: 4 }).map((words) => words.join('  '))
/** A word as a shell has it, with quotes and escapes as they are written. */
const shellWord = (escape: Escape) =>
  fc
    .array(
      fc.oneof(
        fc
          .constantFrom('a', '$b', '=', '/', '#', '${c:-d}', "'", '"', ' ')
          .map((text) =>
            text === "'"
              ? `' a"${escape}'`
              : text === '"'
                ? `" '${escape}""`
                : text === ' '
                  ? `${escape} z`
                  : text,
          ),
        letters,
      ),
      { maxLength: 5 },
    )
    .map((pieces) => pieces.join(''))

const keywordOf = (name: string) =>
  fc.constantFrom(name, name.toLowerCase(), `${name.slice(0, 1)}${name.slice(1).toLowerCase()}`)
const anyText = fc.string({ unit: 'binary' }).map((text) => text.replaceAll('\n', ''))
const flag = fc.oneof(
  letters.map((name) => `--${name}`),
  fc.tuple(letters, anyText).map(([name, value]) => `--${name}=${value}`),
)
const heredoc = fc
  .record({
    name: letters,
    chomp: fc.boolean(),
    expand: fc.boolean(),
    lines: fc.array(anyText, { maxLength: 4 }),
  })
  .map(({ name, lines, ...rest }) => ({
    head: `<<${rest.chomp ? '-' : ''}${rest.expand ? name : `'${name}'`}`,
    heredoc: { name, ...rest, content: lines.map((line) => `${line}|\n`).join('') },
  }))

const PLAIN = { json: false, words: [] as readonly string[], pairs: [], legacy: false }
type Parts = Pick<Node, 'arguments' | 'heredocs'>
const parts = (args: Partial<Node['arguments']>, heredocs: Node['heredocs'] = []): Parts => ({
  arguments: { ...PLAIN, ...args },
  heredocs,
})

const json = fc.array(anyText).map((words) => parts({ json: true, words }))
const blanks = fc.array(word, { minLength: 1 }).map((words) => parts({ words }))
const whole = sentence.map((text) => parts({ words: [text] }))
const withHeredocs = (joined: boolean) =>
  fc
    .tuple(fc.array(word, { minLength: 1, maxLength: 3 }), fc.array(heredoc, { maxLength: 2 }))
    .map(([words, list]) => {
      const all = [...list.map(({ head }) => head), ...words]
      return parts(
        { words: joined ? [all.join(' ')] : all },
        list.map((one) => one.heredoc),
      )
    })
const pairs = (escape: Escape) =>
  fc.oneof(
    fc
      .array(fc.record({ name: letters, value: shellWord(escape) }), { minLength: 1 })
      .map((list) => parts({ pairs: list })),
    fc.record({ name: letters, value: sentence }).map((pair) => parts({ pairs: [pair], legacy: true })),
  )
const healthcheck = fc
  .tuple(fc.constantFrom('CMD', 'none', 'x'), fc.oneof(json, whole))
  .map(([type, { arguments: args }]) => parts({ ...args, words: [type, ...args.words] }))

const partsOf = (escape: Escape): Readonly<Record<string, fc.Arbitrary<Parts>>> => ({
  ADD: fc.oneof(json, withHeredocs(false)),
  ARG: fc
    .array(fc.tuple(letters, shellWord(escape)), { minLength: 1 })
    .map((list) => parts({ words: list.map(([name, value]) => `${name}=${value}`) })),
  CMD: fc.oneof(json, whole),
  COPY: fc.oneof(json, withHeredocs(false)),
  ENTRYPOINT: fc.oneof(json, whole),
  ENV: pairs(escape),
  EXPOSE: blanks,
  FROM: blanks,
  HEALTHCHECK: healthcheck,
  LABEL: pairs(escape),
  MAINTAINER: whole,
  RUN: fc.oneof(json, withHeredocs(true)),
  SHELL: json,
  STOPSIGNAL: whole,
  USER: whole,
  VOLUME: fc.oneof(json, blanks),
  WORKDIR: whole,
  OTHER: fc.constant(parts({})),
})

const plainNode = (escape: Escape): fc.Arbitrary<Node> =>
  fc.oneof(
    ...Object.entries(partsOf(escape)).map(([name, some]) =>
      fc
        .record({ keyword: keywordOf(name), flags: fc.array(flag, { maxLength: 3 }), some })
        .map(({ keyword, flags, some }): Node => ({ keyword, name, flags, ...some })),
    ),
  )

/** Of what is deferred the words and the heredocs are those of ONBUILD, too. */
const deferred = (escape: Escape): fc.Arbitrary<Node> =>
  fc
    .tuple(keywordOf('ONBUILD'), plainNode(escape))
    .map(([keyword, { name, flags, arguments: args, heredocs, ...node }]) => ({
      keyword,
      name: 'ONBUILD',
      flags: [],
      arguments: {
        ...PLAIN,
        words: [printNode({ ...node, name, flags, arguments: args, heredocs }, escape).trim()],
        trigger: { keyword: node.keyword, name, flags, arguments: args },
      },
      heredocs,
    }))

interface Written {
  readonly escape: Escape
  readonly nodes: readonly Node[]
  readonly text: string
}

/** Where a line may be broken: not behind an escape, not before what would be a comment or a blank line. */
const mayBreak = (line: string, at: number, escape: Escape): boolean =>
  at > 0 && at < line.length && line[at - 1] !== escape && !/^(?:#|$)/.test(line.slice(at).trimStart())

function breakLine(
  line: string,
  places: readonly number[],
  { escape, between }: { escape: Escape; between: string },
): string {
  const at = [...new Set(places.map((place) => place % (line.length + 1)))].filter((place) =>
    mayBreak(line, place, escape),
  )
  const edges = [0, ...at.sort((a, b) => a - b), line.length]
  return edges
    .slice(1)
    .map((end, index) => line.slice(edges[index], end))
    .join(`${escape}${between}`)
}

const written: fc.Arbitrary<Written> = fc.constantFrom<Escape>('\\', '`').chain((escape) =>
  fc
    .array(
      fc.record({
        node: fc.oneof({ weight: 4, arbitrary: plainNode(escape) }, deferred(escape)),
        quoted: fc.boolean(),
        places: fc.array(fc.nat({ max: 200 }), { maxLength: 3 }),
        between: fc.constantFrom('\n', ' \t\n', '\n\n', '\n  # a comment \\\n', '\r\n\r\n'),
        above: fc.constantFrom('', '\n', '# a comment\n', ' \t'),
      }),
      { minLength: 1, maxLength: 5 },
    )
    .map((lines) => ({
      escape,
      nodes: lines.map(({ node }) => node),
      text: `# escape=${escape}\n${lines
        .map(({ node, quoted, places, between, above }) => {
          const line = printNode(
            node,
            escape,
            quoted || node.arguments.words.length + node.arguments.pairs.length === 0,
          )
          return `${above}${breakLine(line, places, { escape, between })}\n${printBodies(node)}`
        })
        .join('')}`,
    })),
)

test('of any instructions, in lines that are broken anywhere', () => {
  fc.assert(
    fc.property(written, ({ nodes, text }) => {
      expect(parseTree(text)).toEqual(nodes)
    }),
    { numRuns: 500 },
  )
})
