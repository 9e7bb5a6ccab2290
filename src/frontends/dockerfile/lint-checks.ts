import type { SourceRange } from '../../core/index.ts'
import { sourcePath } from './container-path.ts'
import type { Instruction, InstructionName, InstructionOf } from './instructions.ts'
import type { Lint } from './lint.ts'
import type { PlanScope, StageState } from './stage-state.ts'
import type { Dockerfile, Stage } from './stages.ts'

/** The checks that need the text alone: of all stages, reached or not. */
export function checkDockerfile(dockerfile: Dockerfile, lint: Lint): void {
  for (const node of dockerfile.nodes) {
    const line = node.emptyContinuation
    if (line !== undefined)
      lint.report('NoEmptyContinuation', { ...node.range, startLine: line, endLine: line })
    if (node.name === 'MAINTAINER') lint.report('MaintainerDeprecated', node.range)
  }
  checkKeywordCase(dockerfile.stages, lint)
  for (const instruction of dockerfile.globalArgs) checkArgComment(instruction, lint)
  const names = new Set<string>()
  for (const stage of dockerfile.stages) {
    checkStageName(stage, names, lint)
    for (const instruction of stage.instructions) checkForm(instruction, lint)
    if (stage.name !== undefined) names.add(stage.name)
  }
}

interface Keyword {
  readonly keyword: string
  readonly range: SourceRange
}

/** All keywords in the case that most are in; where that is even, in upper case. */
function checkKeywordCase(stages: readonly Stage[], lint: Lint): void {
  const all = stages.flatMap(({ keywords, range, instructions }): readonly Keyword[] => [
    { keyword: keywords[0], range },
    ...instructions,
  ])
  const lower = all.filter(({ keyword }) => keyword === keyword.toLowerCase()).length
  const upper = all.filter(({ keyword }) => keyword === keyword.toUpperCase()).length
  const isLower = lower > upper
  for (const { keyword, range } of all) {
    const wanted = isLower ? keyword.toLowerCase() : keyword.toUpperCase()
    if (keyword !== wanted)
      lint.report('ConsistentInstructionCasing', range, keyword, isLower ? 'lowercase' : 'uppercase')
  }
}

function checkStageName(stage: Stage, earlier: ReadonlySet<string>, lint: Lint): void {
  const { name, writtenName, keywords, range, comments } = stage
  if (name === undefined || writtenName === undefined) return
  if (writtenName !== name) lint.report('StageNameCasing', range, writtenName)
  const [from, as = ''] = keywords
  const wanted = from === from.toLowerCase() ? as.toLowerCase() : as.toUpperCase()
  if (as !== wanted) lint.report('FromAsCasing', range, as, from)
  if (name === 'scratch' || name === 'context') lint.report('ReservedStageName', range, name)
  if (earlier.has(name)) lint.report('DuplicateStageName', range, name)
  checkComment({ comments, range }, { instruction: 'FROM', names: [name] }, lint)
}

function checkForm(instruction: Instruction, lint: Lint): void {
  if (instruction.name === 'ARG') checkArgComment(instruction, lint)
  if ((instruction.name === 'ENV' || instruction.name === 'LABEL') && instruction.legacy)
    lint.report('LegacyKeyValueFormat', instruction.range, instruction.keyword)
}

function checkArgComment(instruction: InstructionOf<'ARG'>, lint: Lint): void {
  const names = instruction.declarations.map(({ name }) => name)
  checkComment(instruction, { instruction: 'ARG', names }, lint)
}

/** The last comment line above a definition begins with a name that is defined. */
function checkComment(
  { comments, range }: { readonly comments: readonly string[]; readonly range: SourceRange },
  { instruction, names }: { readonly instruction: string; readonly names: readonly string[] },
  lint: Lint,
): void {
  const [word = ''] = comments.at(-1)?.split(' ', 1) ?? []
  if (word === '' || names.includes(word)) return
  const [name = '', ...others] = names
  lint.report('InvalidDefinitionDescription', range, instruction, others.length === 0 ? name : '<arg_key>')
}

const ONCE_PER_STAGE: readonly InstructionName[] = ['CMD', 'ENTRYPOINT', 'HEALTHCHECK']

/** The checks of a stage that is reached, as a whole. */
export function checkInstructions(instructions: readonly Instruction[], lint: Lint): void {
  const latest = new Map<InstructionName, Instruction>()
  for (const instruction of instructions) {
    const { name, keyword } = instruction
    if (!ONCE_PER_STAGE.includes(name)) continue
    const earlier = latest.get(name)
    if (earlier !== undefined) lint.report('MultipleInstructionsDisallowed', earlier.range, keyword)
    latest.set(name, instruction)
  }
}

type Check<Name extends InstructionName> = (state: StageState, instruction: InstructionOf<Name>) => void

const SECRET = /(?:^|_)(?:apikey|auth|credential|credentials|key|password|pword|passwd|secret|token)(?:_|$)/i
const NOT_SECRET = /(?:^|_)(?:public|file|version)(?:_|$)/i

function checkSecret({ scope }: StageState, { name, range }: Instruction, variable: string): void {
  if (!SECRET.test(variable) || NOT_SECRET.test(variable)) return
  scope.lint.report('SecretsUsedInArgOrEnv', range, name, variable)
}

function checkJsonForm(
  { scope, image }: StageState,
  { keyword, command, range }: InstructionOf<'CMD'> | InstructionOf<'ENTRYPOINT'>,
): void {
  if (command.form === 'shell' && image.shell === undefined)
    scope.lint.report('JSONArgsRecommended', range, keyword)
}

const CHECKS: { readonly [Name in InstructionName]?: Check<Name> } = {
  ARG: (state, arg) => {
    for (const { name } of arg.declarations) checkSecret(state, arg, name)
  },
  ENV: (state, env) => {
    for (const { name } of env.pairs) checkSecret(state, env, name)
  },
  CMD: checkJsonForm,
  ENTRYPOINT: checkJsonForm,
}

/** A port as EXPOSE has it after expansion. */
export function checkPort(port: string, range: SourceRange, lint: Lint): void {
  const protocol = port.includes('/') ? port.slice(port.indexOf('/') + 1) : ''
  if (protocol !== protocol.toLowerCase()) lint.report('ExposeProtoCasing', range, port)
  if (port.includes(':')) lint.report('ExposeInvalidFormat', range, port)
}

/** A source in the main context that the ignore file hides. */
export function checkIgnored(
  source: string,
  { name, range }: Pick<Instruction, 'name' | 'range'>,
  { ignored, lint }: PlanScope,
): void {
  if (ignored?.matches(sourcePath(source)) !== true) return
  lint.report('CopyIgnoredFile', range, name === 'ADD' ? 'Add' : 'Copy', source)
}

/** The checks of an instruction that is reached. */
export function checkInstruction(state: StageState, instruction: Instruction): void {
  // The table pairs each name with the check of its own instruction.
  const check = CHECKS[instruction.name] as
    | ((state: StageState, instruction: Instruction) => void)
    | undefined
  check?.(state, instruction)
}
