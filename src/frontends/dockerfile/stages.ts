import type { SourceRange } from '../../core/index.ts'
import type { Directives } from './directives.ts'
import { dockerfileError, locateParse } from './dockerfile-error.ts'
import { parseFlags } from './flags.ts'
import { goQuote } from './go-format.ts'
import { parseInstruction } from './instruction-parsers.ts'
import type { Instruction, InstructionOf } from './instructions.ts'
import { type InstructionNode, parseSyntax } from './parser.ts'
import { didYouMean } from './suggestion.ts'

/** A FROM and what follows it. */
export interface Stage {
  readonly index: number
  /** In lower case. */
  readonly name?: string
  /** As written. */
  readonly writtenName?: string
  /** The keywords FROM and AS as written. */
  readonly keywords: readonly [string, string?]
  /** Image, stage or context, before expansion. */
  readonly base: string
  /** --platform, before expansion. */
  readonly platform?: string
  readonly range: SourceRange
  /** The comment lines directly above. */
  readonly comments: readonly string[]
  readonly instructions: readonly Instruction[]
}

/** A Dockerfile, understood but not yet expanded. */
export interface Dockerfile {
  readonly file: string
  readonly directives: Directives
  /** ARGs before the first FROM. */
  readonly globalArgs: readonly InstructionOf<'ARG'>[]
  readonly stages: readonly Stage[]
  /** All instructions as they stand, with the comments above them. */
  readonly nodes: readonly InstructionNode[]
}

/** @throws OssbError ERR_OSSB_DOCKERFILE with the place */
export function parseDockerfile(file: string, text: string): Dockerfile {
  const { directives, nodes } = parseSyntax(file, text)
  const globalArgs: InstructionOf<'ARG'>[] = []
  const stages: (Stage & { readonly instructions: Instruction[] })[] = []
  for (const node of nodes) {
    if (node.name === 'FROM') {
      stages.push({ ...locateParse(node.range, () => parseFrom(node, stages.length)), instructions: [] })
      continue
    }
    const instruction = parseInstruction(node)
    const stage = stages.at(-1)
    if (stage !== undefined) stage.instructions.push(instruction)
    else if (instruction.name === 'ARG') globalArgs.push(instruction)
    else throw dockerfileError('no build stage in current context', { source: node.range })
  }
  if (stages.length === 0) {
    const last = nodes.at(-1)?.range
    throw dockerfileError(
      'dockerfile contains no stages to build',
      last === undefined ? {} : { source: last },
    )
  }
  return { file, directives, globalArgs, stages, nodes }
}

const STAGE_NAME = /^[a-z][a-z0-9-_.]*$/

function parseFrom(node: InstructionNode, index: number): Omit<Stage, 'instructions'> {
  const flags = parseFlags(node.flags, { platform: 'text' })
  const { words } = node.arguments
  const [base, as, writtenName] = words
  const named = words.length === 3 && as?.toLowerCase() === 'as' && writtenName !== undefined
  if (base === undefined || (words.length !== 1 && !named))
    throw dockerfileError('FROM requires either one or three arguments')
  const name = named ? writtenName.toLowerCase() : undefined
  if (name !== undefined && !STAGE_NAME.test(name)) {
    throw dockerfileError(
      `invalid name for build stage: ${goQuote(writtenName ?? '')}, name can't start with a number or contain symbols`,
    )
  }
  const platform = flags.text('platform')
  return {
    index,
    ...(name === undefined || writtenName === undefined ? {} : { name, writtenName }),
    keywords: named ? [node.keyword, as] : [node.keyword],
    base,
    ...(platform === undefined ? {} : { platform }),
    range: node.range,
    comments: node.comments,
  }
}

/** Checks the instruction of a deferred trigger: those that cannot be deferred are errors only now. */
export function parseTriggered(node: InstructionNode): Instruction {
  if (node.name === 'FROM' || node.name === 'ONBUILD' || node.name === 'MAINTAINER') {
    return locateParse(node.range, () => {
      throw dockerfileError(`${node.name} isn't allowed as an ONBUILD trigger`)
    })
  }
  return parseInstruction(node, true)
}

/** What people call a stage that has no name: `stage-2`. */
export function stageLabel(stage: Stage): string {
  return stage.name ?? `stage-${stage.index}`
}

/** The stage to build: by name in any case, by index, or the last. Of two with one name the later is meant. */
export function findTarget(stages: readonly Stage[], target: string | undefined): Stage {
  const wanted = target?.toLowerCase()
  const last = stages.at(-1)
  const found =
    wanted === undefined || wanted === ''
      ? last
      : (stages.findLast((stage) => stage.name === wanted) ??
        (/^\d{1,9}$/.test(wanted) ? stages[Number(wanted)] : undefined))
  if (found === undefined) {
    const names = stages.flatMap((stage) => stage.name ?? [])
    throw dockerfileError(
      `target stage ${goQuote(target ?? '')} could not be found${didYouMean(wanted ?? '', names)}`,
      {
        hint:
          names.length === 0
            ? 'No stage of the file has a name: give the number of one, from 0.'
            : `Stages of the file: ${[...new Set(names)].join(', ')}.`,
      },
    )
  }
  return found
}
