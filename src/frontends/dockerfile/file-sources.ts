import { type SourceRange, withHint } from '../../core/index.ts'
import { createVertex, type Vertex } from '../../graph/index.ts'
import { contextVertex, findNamedContext } from './contexts.ts'
import { dockerfileError } from './dockerfile-error.ts'
import { goQuote } from './go-format.ts'
import type { Instruction } from './instructions.ts'
import { locateAsync, type Planning, scratchVertex } from './planning.ts'
import { checkImagePlatform } from './stage-base.ts'
import type { FileSource } from './stage-state.ts'
import { type Stage, stageLabel } from './stages.ts'
import { didYouMean } from './suggestion.ts'

/** One `from` of an instruction. */
interface SourceUse {
  readonly from: string
  readonly verb: 'copy' | 'mount'
  readonly range: SourceRange
}

function sourceUses(instruction: Instruction): readonly SourceUse[] {
  const { range } = instruction
  if (instruction.name === 'COPY' && instruction.from !== undefined)
    return [{ from: instruction.from, verb: 'copy', range }]
  if (instruction.name !== 'RUN') return []
  return instruction.mounts.flatMap(({ from }) =>
    from === undefined || from === '' ? [] : [{ from, verb: 'mount', range } as const],
  )
}

/** Everything that the instructions take files from, side by side. */
export async function resolveSources(
  stage: Stage,
  instructions: readonly Instruction[],
  planning: Planning,
): Promise<ReadonlyMap<string, FileSource>> {
  const uses = new Map(instructions.flatMap(sourceUses).map((use) => [use.from.toLowerCase(), use]))
  const resolved = Array.from(
    uses,
    async ([key, use]) => [key, await resolveSource(stage, use, planning)] as const,
  )
  return new Map(await Promise.all(resolved))
}

async function resolveSource(stage: Stage, use: SourceUse, planning: Planning): Promise<FileSource> {
  const { scope } = planning
  if (use.verb === 'copy' && use.from.includes('$')) {
    throw dockerfileError(
      'variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround',
      { source: use.range },
    )
  }
  const context = findNamedContext(scope.input, use.from, scope.platform)
  if (context?.image !== undefined) {
    const { image } = context
    return { vertex: await imageVertex({ ...use, from: image }, planning), ownership: 'kept' }
  }
  if (context !== undefined) return { vertex: contextVertex(context.name), ownership: 'root' }
  const other = findSourceStage(stage, use, planning)
  if (other !== undefined) return { vertex: (await planning.stage(other)).vertex, ownership: 'kept' }
  if (use.from === 'scratch') return { vertex: scratchVertex(), ownership: 'kept' }
  return { vertex: await imageVertex(use, planning, hintOf(use, planning)), ownership: 'kept' }
}

/** A name that is no stage names an image, and may have been meant as a stage. */
function hintOf({ from }: SourceUse, { links }: Planning): { readonly hint?: string } {
  const suggestion = didYouMean(from, links.byName.keys())
  return suggestion === '' ? {} : { hint: `There is no stage "${from}"${suggestion}.` }
}

async function imageVertex(
  { from, range }: SourceUse,
  { scope, sourceImages, job }: Planning,
  advice: { readonly hint?: string } = {},
): Promise<Vertex> {
  const { platform } = scope
  const resolved = sourceImages(from, platform, job).catch((error: unknown) => {
    throw withHint(error, advice.hint)
  })
  const { manifest, config } = await locateAsync(range, resolved)
  checkImagePlatform({ reference: from, platform, range }, config, scope)
  const op = { kind: 'image', reference: from, manifest, platform } as const
  return createVertex(op, [], { name: `FROM ${from}`, source: range })
}

/** The stage that `from` means, by name (of two the later) or index. It has to come before the stage that uses it. */
function findSourceStage(
  stage: Stage,
  { from, verb, range }: SourceUse,
  { scope, links }: Planning,
): Stage | undefined {
  const { stages } = scope.dockerfile
  const isIndex = /^[+-]?\d+$/.test(from)
  const found = isIndex ? stages[Number(from)] : links.byName.get(from.toLowerCase())
  if (isIndex && found === undefined) throw dockerfileError(`invalid stage index ${from}`, { source: range })
  if (found === undefined || found.index < stage.index) return found
  if (found.index === stage.index)
    throw dockerfileError(`circular dependency detected on stage: ${stageLabel(stage)}`, { source: range })
  const [other, current] = [goQuote(stageLabel(found)), goQuote(stageLabel(stage))]
  throw dockerfileError(
    verb === 'copy'
      ? `cannot copy from stage ${other}, it needs to be defined before current stage ${current}`
      : `cannot mount from stage ${other} to ${current}, stage needs to be defined before current command`,
    { source: range },
  )
}
