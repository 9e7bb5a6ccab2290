import {
  formatPlatform,
  type Job,
  type Platform,
  parsePlatform,
  type SourceRange,
  withSource,
} from '../../core/index.ts'
import { type ConfigResolver, createVertex, type Vertex } from '../../graph/index.ts'
import { contextVertex, findNamedContext } from './contexts.ts'
import { convertInstruction, isStep } from './convert.ts'
import { dockerfileError, locate } from './dockerfile-error.ts'
import { goQuote } from './go-format.ts'
import { copyImage, type ImageState, imageFromConfig, scratchImage } from './image-state.ts'
import type { Instruction } from './instructions.ts'
import { parseTrigger } from './parser.ts'
import { type FileSource, nextStepName, type PlanScope, type StageState } from './stage-state.ts'
import { parseTriggered, type Stage, stageLabel } from './stages.ts'
import { didYouMean } from './suggestion.ts'
import { expandWord } from './words.ts'

/** Carries stages out, each once, and with them whatever they need. */
export interface Planner {
  stage(index: number): Promise<StageState>
}

interface PlannerOptions {
  readonly scope: PlanScope
  readonly images: ConfigResolver
  readonly job: Job
}

/** What a stage begins with. */
interface Base {
  readonly image: ImageState
  readonly platform: Platform
  /** The root file system; `createRoot` names it as a step where the stage itself brings it in. */
  readonly createRoot: (state: StageState) => Vertex
  readonly isStep: boolean
  readonly parent?: StageState
}

export function createPlanner(options: PlannerOptions): Planner {
  const stages = new Map<number, Promise<StageState>>()
  const planner: Planner = {
    stage(index) {
      const known = stages.get(index)
      if (known !== undefined) return known
      const started = buildStage(index, planner, options)
      stages.set(index, started)
      return started
    },
  }
  return planner
}

async function buildStage(index: number, planner: Planner, options: PlannerOptions): Promise<StageState> {
  const { scope, job } = options
  // A long chain of stages must not become a deep stack of calls.
  await Promise.resolve()
  job.signal.throwIfAborted()
  const stage = scope.dockerfile.stages[index]
  if (stage === undefined) throw dockerfileError(`invalid stage index ${index}`)
  const [base, sources] = await Promise.all([
    resolveBase(stage, planner, options),
    resolveSources(stage, stage.instructions, { planner, options }),
  ])
  const triggers = base.image.onBuild.flatMap((text) => triggered(stage, text))
  const triggerSources = await resolveSources(stage, triggers, { planner, options })
  const instructions = [...triggers, ...stage.instructions]
  const state = startStage(stage, base, {
    scope,
    sources: new Map([...sources, ...triggerSources]),
    total: instructions.filter(isStep).length + (base.isStep ? 1 : 0),
  })
  for (const instruction of instructions) convertInstruction(state, instruction)
  return state
}

interface StageOptions {
  readonly scope: PlanScope
  readonly sources: ReadonlyMap<string, FileSource>
  readonly total: number
}

function startStage(stage: Stage, base: Base, { scope, sources, total }: StageOptions): StageState {
  const { parent } = base
  const image = copyImage(base.image)
  image.onBuild = []
  const state: Omit<StageState, 'vertex'> = {
    scope,
    stage,
    platform: base.platform,
    image,
    env: new Map(parent?.env ?? image.env),
    declared: new Map(parent?.declared ?? []),
    ownCmd: false,
    ownWorkdir: parent?.ownWorkdir ?? false,
    steps: { done: 0, total },
    sources,
  }
  const vertex = parent?.vertex ?? base.createRoot(state as StageState)
  return Object.assign(state, { vertex })
}

/** The instructions of a deferred trigger. They are at the FROM line, as far as the reader of this file can see. */
function triggered(stage: Stage, text: string): readonly Instruction[] {
  const nodes = locate(stage.range, () => parseTrigger(stage.range.file, text))
  if (nodes.length !== 1)
    throw dockerfileError('onbuild trigger should be a single expression', { source: stage.range })
  return nodes.map((node) => parseTriggered({ ...node, range: stage.range }))
}

async function resolveBase(stage: Stage, planner: Planner, options: PlannerOptions): Promise<Base> {
  const { scope } = options
  const platform = stagePlatform(stage, scope)
  const name = expandBase(stage, scope)
  const context = findNamedContext(scope.input, name, platform)
  if (context !== undefined) return contextBase(context, platform)
  if (name === 'scratch') return scratchBase(platform)
  const parent = scope.dockerfile.stages.findLast(
    (other) => other.index < stage.index && other.name === name.toLowerCase(),
  )
  if (parent === undefined) return imageBase({ reference: name, platform, range: stage.range }, options)
  const state = await planner.stage(parent.index)
  return {
    image: state.image,
    platform: state.platform,
    createRoot: () => state.vertex,
    isStep: false,
    parent: state,
  }
}

function globalWord(word: string, stage: Stage, scope: PlanScope): string {
  const onUnset = (name: string) => {
    const suggestion = didYouMean(name, scope.globals.keys())
    scope.lint.report(
      'UndefinedArgInFrom',
      stage.range,
      `FROM argument '${name}' is not declared${suggestion}`,
    )
  }
  const { escape } = scope.dockerfile.directives
  return locate(stage.range, () => expandWord(word, (name) => scope.globals.get(name), { escape, onUnset }))
}

function expandBase(stage: Stage, scope: PlanScope): string {
  const name = globalWord(stage.base, stage, scope)
  if (name === '')
    throw dockerfileError(`base name (${stage.base}) should not be blank`, { source: stage.range })
  return name
}

function stagePlatform(stage: Stage, scope: PlanScope): Platform {
  if (stage.platform === undefined) return scope.platform
  const text = globalWord(stage.platform, stage, scope)
  const source = stage.range
  if (text === '') throw dockerfileError(`empty platform value from expression ${stage.platform}`, { source })
  try {
    return parsePlatform(text, scope.input.buildPlatform)
  } catch (cause) {
    const reason = text.includes('/')
      ? 'it is not os/architecture[/variant]'
      : 'unknown operating system or architecture'
    throw dockerfileError(`failed to parse platform ${text}: ${goQuote(text)}: ${reason}`, { source, cause })
  }
}

function scratchVertex(): Vertex {
  return createVertex({ kind: 'scratch' }, [], { name: 'scratch' })
}

function scratchBase(platform: Platform): Base {
  return { image: scratchImage(platform), platform, createRoot: scratchVertex, isStep: false }
}

function contextBase(name: string, platform: Platform): Base {
  return {
    image: scratchImage(platform),
    platform,
    createRoot: () => contextVertex(name),
    isStep: false,
  }
}

interface WantedImage {
  readonly reference: string
  readonly platform: Platform
  readonly range: SourceRange
}

async function imageBase(wanted: WantedImage, { scope, images, job }: PlannerOptions): Promise<Base> {
  const { reference, platform, range } = wanted
  const resolved = await located(range, images(reference, platform, job))
  const image = imageFromConfig(resolved.config)
  checkPlatform(wanted, image, scope)
  const op = { kind: 'image', reference, manifest: resolved.manifest, platform } as const
  return {
    image,
    platform,
    createRoot: (state) =>
      createVertex(op, [], { name: nextStepName(state, `FROM ${reference}`), source: range }),
    isStep: true,
  }
}

async function located<T>(range: SourceRange, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw withSource(error, range)
  }
}

function checkPlatform(
  { reference, platform, range }: WantedImage,
  image: ImageState,
  scope: PlanScope,
): void {
  const { os, architecture, variant } = image.platform
  if (os === platform.os && architecture === platform.architecture) return
  const actual = formatPlatform({ os, architecture, ...(variant === undefined ? {} : { variant }) })
  scope.lint.report(
    'InvalidBaseImagePlatform',
    range,
    `Base image ${reference} was pulled with platform "${actual}", expected "${formatPlatform(platform)}" for current build`,
  )
}

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

interface Planning {
  readonly planner: Planner
  readonly options: PlannerOptions
}

/** Everything that the instructions take files from, side by side. */
async function resolveSources(
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

async function resolveSource(
  stage: Stage,
  use: SourceUse,
  { planner, options }: Planning,
): Promise<FileSource> {
  const { scope } = options
  if (use.verb === 'copy' && use.from.includes('$')) {
    throw dockerfileError(
      'variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround',
      { source: use.range },
    )
  }
  const context = findNamedContext(scope.input, use.from, scope.platform)
  if (context !== undefined) return { vertex: contextVertex(context), ownership: 'root' }
  const other = findSourceStage(stage, use, scope)
  if (other !== undefined) return { vertex: (await planner.stage(other.index)).vertex, ownership: 'kept' }
  if (use.from === 'scratch') return { vertex: scratchVertex(), ownership: 'kept' }
  return { vertex: await imageVertex(use, options), ownership: 'kept' }
}

async function imageVertex(
  { from, range }: SourceUse,
  { scope, images, job }: PlannerOptions,
): Promise<Vertex> {
  const { platform } = scope
  const { manifest } = await located(range, images(from, platform, job))
  const op = { kind: 'image', reference: from, manifest, platform } as const
  return createVertex(op, [], { name: `FROM ${from}`, source: range })
}

/** The stage that `from` means, by name (of two the later) or index. It has to come before the stage that uses it. */
function findSourceStage(
  stage: Stage,
  { from, verb, range }: SourceUse,
  scope: PlanScope,
): Stage | undefined {
  const { stages } = scope.dockerfile
  const isIndex = /^[+-]?\d+$/.test(from)
  const found = isIndex
    ? stages[Number(from)]
    : stages.findLast((candidate) => candidate.name === from.toLowerCase())
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
