import { OssbError, type Platform, type SourceRange } from '../../core/index.ts'
import type { PatternMatcher } from '../../fs/index.ts'
import type { DockerfileInput, Vertex } from '../../graph/index.ts'
import { type ArgumentScope, entersEnvironment } from './arguments.ts'
import { dockerfileError, locate } from './dockerfile-error.ts'
import type { FromLine } from './from-lines.ts'
import type { ImageState } from './image-state.ts'
import type { Lint } from './lint.ts'
import type { OutlineRecord } from './outline.ts'
import { type Dockerfile, type Stage, stageLabel } from './stages.ts'
import { didYouMean } from './suggestion.ts'
import type { Variables } from './variables.ts'
import { type ExpandOptions, expandWord, expandWords } from './words.ts'

/** How much text expansion has made, how many ports there are, and the triggers that stages have carried out. */
export interface Expanded {
  characters: number
  ports: number
  triggers: number
  triggerCharacters: number
}

/** What all stages of one plan have in common. */
export interface PlanScope {
  readonly dockerfile: Dockerfile
  readonly input: DockerfileInput
  /** The platform of the plan. */
  readonly platform: Platform
  readonly globals: ArgumentScope
  /** By index of the stage. */
  readonly fromLines: readonly FromLine[]
  readonly lint: Lint
  /** What the main context's ignore file hides; absent where that cannot be told by a name alone. */
  readonly ignored?: PatternMatcher
  /** SOURCE_DATE_EPOCH in seconds. */
  readonly time?: number
  readonly outline: OutlineRecord
  /** Whether nothing is to be built of it. */
  readonly isInspection: boolean
  /** What the file has been made into so far: bounded, so that a short file cannot fill the memory. */
  readonly expanded: Expanded
}

/** Where COPY --from and RUN --mount=from= take files, and whether those keep their owners. */
export interface FileSource {
  readonly vertex: Vertex
  readonly ownership: 'root' | 'kept'
}

/** A stage while its instructions are carried out one after the other. */
export interface StageState {
  readonly scope: PlanScope
  readonly stage: Stage
  readonly platform: Platform
  readonly image: ImageState
  /** The root file system so far. */
  vertex: Vertex
  /** ENV and ARG together: what `$name` means, and what RUN sees. */
  readonly env: Variables<string>
  /** The ARGs in effect, in the order of their first declaration. */
  readonly declared: Variables<string | undefined>
  /** Whether this very stage has a CMD: then ENTRYPOINT leaves it alone. */
  ownCmd: boolean
  /** Whether some stage of this file has set WORKDIR. */
  ownWorkdir: boolean
  readonly steps: { done: number; readonly total: number }
  /** By what `from` says, in lower case. */
  readonly sources: ReadonlyMap<string, FileSource>
}

/** FROM of a stage. */
export function fromLineOf(stage: Stage, { fromLines }: PlanScope): FromLine {
  const line = fromLines[stage.index]
  if (line === undefined)
    throw new OssbError('ERR_OSSB_INTERNAL', `Cannot plan the stage "${stageLabel(stage)}": it is not read`)
  return line
}

const MAX_EXPANDED = 256 * 1024 * 1024

/** Expands a word by what the stage's variables are now. */
export function expand(
  state: StageState,
  word: string,
  range: SourceRange,
  options: Partial<ExpandOptions> = {},
): string {
  const result = locate(range, () =>
    expandWord(word, (name) => state.env.get(name), expandOptions(state, range, options)),
  )
  return counted(state, result, range)
}

/** As expand(), for an instruction whose words may become several. */
export function expandToWords(state: StageState, word: string, range: SourceRange): readonly string[] {
  const words = locate(range, () =>
    expandWords(word, (name) => state.env.get(name), expandOptions(state, range, {})),
  )
  for (const result of words) counted(state, result, range)
  return words
}

function counted(state: StageState, result: string, range: SourceRange): string {
  const { expanded } = state.scope
  expanded.characters += result.length
  if (expanded.characters > MAX_EXPANDED)
    throw dockerfileError('the variables of this Dockerfile expand to too much text', { source: range })
  return result
}

function expandOptions(
  state: StageState,
  range: SourceRange,
  options: Partial<ExpandOptions>,
): ExpandOptions {
  return {
    escape: state.scope.dockerfile.directives.escape,
    onUnset: (name) => reportUnset(state, name, range),
    ...options,
  }
}

function reportUnset(state: StageState, name: string, range: SourceRange): void {
  if (state.declared.has(name) || !entersEnvironment(name)) return
  const suggestion = didYouMean(name, state.env.names(), '$')
  state.scope.lint.report('UndefinedVar', range, name, suggestion)
}

/** What the names of a stage's steps are made of. */
export type StepNaming = Pick<StageState, 'scope' | 'stage' | 'steps' | 'platform'>

/** The name of the stage's next step, for people: `[build 2/5] RUN make`. */
export function nextStepName(state: StepNaming, text: string): string {
  const { stage, scope, steps } = state
  const platform = scope.input.platforms.length > 1 ? `${formatTransition(state)} ` : ''
  const label = scope.dockerfile.stages.length === 1 ? '' : `${stageLabel(stage)} `
  steps.done += 1
  const total = String(steps.total)
  return `[${platform}${label}${String(steps.done).padStart(total.length)}/${total}] ${text}`
}

function formatTransition({ platform, scope }: StepNaming): string {
  const from = platformText(platform)
  const to = platformText(scope.platform)
  if (from === to) return from
  return platform.os === scope.platform.os ? `${from}->${to.slice(platform.os.length + 1)}` : `${from}->${to}`
}

function platformText({ os, architecture, variant }: Platform): string {
  return [os, architecture, ...(variant === undefined ? [] : [variant])].join('/')
}

/** The text of an instruction as the name of its step, keyword in upper case. */
export function stepText(instruction: {
  readonly name: string
  readonly keyword: string
  readonly text: string
  readonly triggered: boolean
}): string {
  const rest = instruction.text.slice(instruction.keyword.length)
  return `${instruction.triggered ? 'ONBUILD ' : ''}${instruction.name}${rest}`
}
