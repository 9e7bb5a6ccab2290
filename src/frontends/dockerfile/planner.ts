import { findNamedContext } from './contexts.ts'
import { convertInstruction, isStep } from './convert.ts'
import { dockerfileError, locate } from './dockerfile-error.ts'
import { resolveSources } from './file-sources.ts'
import type { Instruction } from './instructions.ts'
import { itemsOf } from './linked-list.ts'
import { checkInstructions } from './lint-checks.ts'
import { parseTrigger } from './parser.ts'
import type { Planning } from './planning.ts'
import { type Base, contextBase, resolveBase } from './stage-base.ts'
import { linkStages } from './stage-links.ts'
import { fromLineOf, type StageState } from './stage-state.ts'
import { parseTriggered, type Stage } from './stages.ts'

/** How many targets are begun at once: enough to look for many images at a time. */
const AT_ONCE = 64

/**
 * Carries stages out, and with them, each once, whatever they need.
 * @throws OssbError: of several mistakes the one of the first stage
 */
export async function planStages(
  targets: readonly Stage[],
  options: Omit<Planning, 'links' | 'stage'>,
): Promise<readonly StageState[]> {
  const stages = new Map<number, Promise<StageState>>()
  const planning: Planning = {
    ...options,
    links: linkStages(options.scope),
    stage(stage) {
      const known = stages.get(stage.index)
      if (known !== undefined) return known
      const started = buildStage(stage, planning)
      stages.set(stage.index, started)
      return started
    },
  }
  const states: StageState[] = []
  for (let start = 0; start < targets.length; start += AT_ONCE) {
    const some = targets.slice(start, start + AT_ONCE)
    for (const outcome of await Promise.allSettled(some.map((target) => planning.stage(target)))) {
      if (outcome.status === 'rejected') throw outcome.reason
      states.push(outcome.value)
    }
  }
  return states
}

async function buildStage(stage: Stage, planning: Planning): Promise<StageState> {
  // A long chain of stages must not become a deep stack of calls.
  await Promise.resolve()
  planning.job.signal.throwIfAborted()
  for (const name of fromLineOf(stage, planning.scope).uses) planning.scope.outline.used.add(name)
  const { input, platform } = planning.scope
  const replacement = stage.name === undefined ? undefined : findNamedContext(input, stage.name, platform)
  const { name = '', range } = stage
  const own = replacement === undefined ? stage.instructions : []
  const [base, sources] = await Promise.all([
    replacement === undefined
      ? resolveBase(stage, planning)
      : contextBase(replacement, { name, platform, range }, planning),
    resolveSources(stage, own, planning),
  ])
  // What stands in for a whole stage fires no triggers: its instructions are not carried out either.
  const triggers = replacement === undefined ? takeTriggers(stage, base, planning) : []
  const instructions = [...triggers, ...own]
  const state = startStage(stage, base, {
    scope: planning.scope,
    sources:
      triggers.length === 0
        ? sources
        : new Map([...sources, ...(await resolveSources(stage, triggers, planning))]),
    steps: { done: 0, total: instructions.filter(isStep).length + (base.isStep ? 1 : 0) },
  })
  checkInstructions(instructions, planning.scope.lint)
  for (const instruction of instructions) convertInstruction(state, instruction)
  return state
}

type StageOptions = Pick<StageState, 'scope' | 'sources' | 'steps'>

function startStage(stage: Stage, base: Base, options: StageOptions): StageState {
  const { image, env, declared, platform, ownWorkdir } = base
  const state = { ...options, stage, image, env, declared, platform, ownWorkdir, ownCmd: false }
  return Object.assign(state, { vertex: base.createRoot(state) })
}

/** Each child of a stage carries all its triggers out: without limits, a short file could mean millions. */
const MAX_TRIGGERS = 50_000
const MAX_TRIGGER_TEXT = 16 * 1024 * 1024

/** The instructions that the base has put off until now. */
function takeTriggers(stage: Stage, { image }: Base, { scope }: Planning): readonly Instruction[] {
  const texts = itemsOf(image.onBuild)
  image.onBuild = undefined
  const { expanded } = scope
  expanded.triggers += texts.length
  expanded.triggerCharacters += texts.reduce((sum, { length }) => sum + length, 0)
  if (expanded.triggers > MAX_TRIGGERS)
    throw dockerfileError(`the stages carry out more than ${MAX_TRIGGERS} ONBUILD triggers`, {
      source: stage.range,
    })
  if (expanded.triggerCharacters > MAX_TRIGGER_TEXT)
    throw dockerfileError(
      `the ONBUILD triggers that stages carry out have more than ${MAX_TRIGGER_TEXT} characters`,
      {
        source: stage.range,
      },
    )
  return texts.flatMap((text) => triggered(stage, text))
}

/** The instructions of a deferred trigger. They are at the FROM line, as far as the reader of this file can see. */
function triggered(stage: Stage, text: string): readonly Instruction[] {
  const nodes = locate(stage.range, () => parseTrigger(stage.range.file, text))
  if (nodes.length !== 1)
    throw dockerfileError('onbuild trigger should be a single expression', { source: stage.range })
  return nodes.map((node) => parseTriggered({ ...node, range: stage.range }))
}
