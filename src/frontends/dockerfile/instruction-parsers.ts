import { dockerfileError, locateParse } from './dockerfile-error.ts'
import { type Flags, type FlagTable, parseFlags } from './flags.ts'
import { parseHealthcheck } from './healthcheck.ts'
import type {
  ArgDeclaration,
  CommandLine,
  Instruction,
  InstructionMembers,
  InstructionName,
} from './instructions.ts'
import { parseMountFields } from './mount-fields.ts'
import { INSTRUCTION_NAMES, type InstructionNode } from './parser.ts'
import { didYouMean } from './suggestion.ts'
import { parseAdd, parseCopy } from './transfer.ts'

/** How one kind of instruction is read: its flags, and its members from node and flags. */
interface InstructionParser<Members> {
  readonly flags: FlagTable | 'ignored'
  parse(node: InstructionNode, flags: Flags): Members
}

type InstructionParsers = { readonly [Name in InstructionName]: InstructionParser<InstructionMembers[Name]> }

/** @throws OssbError ERR_OSSB_DOCKERFILE that says the line */
export function parseInstruction(node: InstructionNode, triggered = false): Instruction {
  return locateParse(node.range, () => {
    const { name } = node
    if (!isInstructionName(name)) throw unknownInstruction(node)
    const { keyword, text, range, comments } = node
    return { name, keyword, text, range, comments, triggered, ...parseMembers(name, node) } as Instruction
  })
}

function unknownInstruction(node: InstructionNode): Error {
  return dockerfileError(`unknown instruction: ${node.keyword}${didYouMean(node.keyword, INSTRUCTION_NAMES)}`)
}

function isInstructionName(name: string): name is InstructionName {
  return Object.hasOwn(PARSERS, name)
}

function parseMembers<Name extends InstructionName>(
  name: Name,
  node: InstructionNode,
): InstructionMembers[Name] {
  const parser: InstructionParser<InstructionMembers[Name]> = PARSERS[name]
  const flags = parser.flags === 'ignored' ? parseFlags([], {}) : parseFlags(node.flags, parser.flags)
  return parser.parse(node, flags)
}

function needOne(node: InstructionNode): void {
  if (node.arguments.words.length + node.arguments.pairs.length === 0)
    throw dockerfileError(`${node.name} requires at least one argument`)
}

function exactlyOne(node: InstructionNode): string {
  const [value, ...others] = node.arguments.words
  if (value === undefined || others.length > 0)
    throw dockerfileError(`${node.name} requires exactly one argument`)
  return value
}

function commandLine({ arguments: { json, words } }: InstructionNode): CommandLine {
  return json ? { form: 'exec', words } : { form: 'shell', words: [words.join(' ')] }
}

function nameValues(node: InstructionNode): InstructionMembers['ENV'] {
  needOne(node)
  const { pairs, legacy } = node.arguments
  if (pairs.some((pair) => pair.name === '')) throw dockerfileError(`${node.name} names can not be blank`)
  return { pairs, legacy }
}

function argDeclaration(word: string): ArgDeclaration {
  const equals = word.indexOf('=')
  const name = equals === -1 ? word : word.slice(0, equals)
  if (name === '') throw dockerfileError('ARG names can not be blank')
  return equals === -1 ? { name } : { name, defaultValue: word.slice(equals + 1) }
}

const NETWORKS = ['default', 'none', 'host'] as const
const SECURITIES = ['sandbox', 'insecure'] as const

function oneOf<Choice extends string>(
  value: string | undefined,
  choices: readonly [Choice, ...Choice[]],
  message: (value: string) => string,
): Choice {
  if (value === undefined) return choices[0]
  const choice = choices.find((candidate) => candidate === value)
  if (choice === undefined) throw dockerfileError(message(value))
  return choice
}

function parseRun(node: InstructionNode, flags: Flags): InstructionMembers['RUN'] {
  if (flags.list('device').length > 0)
    throw dockerfileError('device feature is only supported in Dockerfile frontend 1.14.0-labs or later', {
      hint: 'The stable language is built in, whatever "# syntax" says: it gives no devices to RUN.',
    })
  return {
    command: commandLine(node),
    heredocs: node.heredocs,
    mounts: flags.list('mount').map(parseMountFields),
    network: oneOf(flags.text('network'), NETWORKS, (value) => `invalid network mode "${value}"`),
    security: oneOf(flags.text('security'), SECURITIES, (value) => `security "${value}" is not valid`),
  }
}

function parseShell(node: InstructionNode): InstructionMembers['SHELL'] {
  needOne(node)
  if (!node.arguments.json) throw dockerfileError('SHELL requires the arguments to be in JSON form')
  return { words: node.arguments.words }
}

function parseVolume(node: InstructionNode): InstructionMembers['VOLUME'] {
  needOne(node)
  const paths = node.arguments.words.map((word) => word.trim())
  if (paths.includes('')) throw dockerfileError('VOLUME specified can not be an empty string')
  return { paths }
}

const NOT_DEFERRABLE = ['FROM', 'MAINTAINER']

function parseOnbuild(node: InstructionNode): InstructionMembers['ONBUILD'] {
  needOne(node)
  const name = node.arguments.trigger?.name ?? ''
  if (name === 'ONBUILD') throw dockerfileError("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
  if (NOT_DEFERRABLE.includes(name)) throw dockerfileError(`${name} isn't allowed as an ONBUILD trigger`)
  const bodies = node.heredocs.map((heredoc) => `\n${heredoc.content}${heredoc.name}`)
  return { trigger: (node.arguments.words[0] ?? '') + bodies.join('') }
}

const oneValue = {
  flags: {},
  parse: (node: InstructionNode) => ({ value: exactlyOne(node) }),
}

const PARSERS: InstructionParsers = {
  ADD: {
    flags: {
      chown: 'text',
      chmod: 'text',
      link: 'boolean',
      'keep-git-dir': 'boolean',
      checksum: 'text',
      unpack: 'boolean',
      exclude: 'list',
    },
    parse: parseAdd,
  },
  ARG: {
    flags: 'ignored',
    parse(node) {
      needOne(node)
      return { declarations: node.arguments.words.map(argDeclaration) }
    },
  },
  CMD: { flags: {}, parse: (node) => ({ command: commandLine(node) }) },
  COPY: {
    flags: {
      from: 'text',
      chown: 'text',
      chmod: 'text',
      link: 'boolean',
      parents: 'boolean',
      exclude: 'list',
    },
    parse: parseCopy,
  },
  ENTRYPOINT: { flags: {}, parse: (node) => ({ command: commandLine(node) }) },
  ENV: { flags: {}, parse: nameValues },
  EXPOSE: {
    flags: {},
    parse(node) {
      needOne(node)
      return { ports: node.arguments.words }
    },
  },
  HEALTHCHECK: {
    flags: {
      interval: 'text',
      timeout: 'text',
      'start-period': 'text',
      'start-interval': 'text',
      retries: 'text',
    },
    parse(node, flags) {
      needOne(node)
      return { healthcheck: parseHealthcheck(node.arguments, flags) }
    },
  },
  LABEL: { flags: {}, parse: nameValues },
  MAINTAINER: oneValue,
  ONBUILD: { flags: {}, parse: parseOnbuild },
  RUN: {
    flags: { mount: 'list', network: 'text', security: 'text', device: 'list' },
    parse: parseRun,
  },
  SHELL: { flags: {}, parse: parseShell },
  STOPSIGNAL: { flags: 'ignored', parse: oneValue.parse },
  USER: oneValue,
  VOLUME: { flags: {}, parse: parseVolume },
  WORKDIR: oneValue,
}
