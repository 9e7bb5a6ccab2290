import { parsePlatform, type SourceRange } from '../../core/index.ts'
import type { Instruction, InstructionName, InstructionOf } from './instructions.ts'
import type { Lint } from './lint.ts'
import type { InstructionNode } from './parser.ts'
import type { StageState } from './stage-state.ts'
import type { Dockerfile, Stage } from './stages.ts'

/** The checks that need the text alone. */
export function checkDockerfile(dockerfile: Dockerfile, lint: Lint): void {
  for (const node of dockerfile.nodes) {
    if (node.emptyContinuation) lint.report('NoEmptyContinuation', node.range)
    if (node.name === 'MAINTAINER') lint.report('MaintainerDeprecated', node.range)
  }
  checkKeywordCase(dockerfile.nodes, lint)
  const names = new Set<string>()
  for (const stage of dockerfile.stages) {
    checkStageName(stage, names, lint)
    checkPlatform(stage, lint)
    checkSingleInstructions(stage, lint)
    if (stage.name !== undefined) names.add(stage.name)
  }
}

/** All keywords in the case that most are in; where that is even, in upper case. */
function checkKeywordCase(nodes: readonly InstructionNode[], lint: Lint): void {
  const lower = nodes.filter(({ keyword }) => keyword === keyword.toLowerCase()).length
  const upper = nodes.filter(({ keyword, name }) => keyword === name).length
  const majority = lower > upper ? 'lowercase' : 'uppercase'
  for (const { keyword, name, range } of nodes) {
    const wanted = lower > upper ? name.toLowerCase() : name
    if (keyword !== wanted) lint.report('ConsistentInstructionCasing', range, keyword, majority)
  }
}

function checkStageName(stage: Stage, earlier: ReadonlySet<string>, lint: Lint): void {
  const { name, writtenName, keywords, range } = stage
  if (name === undefined || writtenName === undefined) return
  if (writtenName !== name) lint.report('StageNameCasing', range, writtenName)
  const [from, as = ''] = keywords
  const wanted = from === from.toLowerCase() ? as.toLowerCase() : as.toUpperCase()
  if (as !== wanted) lint.report('FromAsCasing', range, as, from)
  if (name === 'scratch' || name === 'context') lint.report('ReservedStageName', range, name)
  if (earlier.has(name)) lint.report('DuplicateStageName', range, name)
}

/** A platform that is fixed in the text, unless the name of the stage says so. */
function checkPlatform({ platform, name = '', range }: Stage, lint: Lint): void {
  if (platform === undefined || platform.includes('$')) return
  const parts = platformParts(platform)
  if (parts.length > 0 && !parts.some((part) => name.includes(part)))
    lint.report('FromPlatformFlagConstDisallowed', range, platform)
}

function platformParts(text: string): readonly string[] {
  try {
    const { os, architecture } = parsePlatform(text)
    return [os, architecture]
  } catch {
    return []
  }
}

const ONCE_PER_STAGE: readonly InstructionName[] = ['CMD', 'ENTRYPOINT', 'HEALTHCHECK']

function checkSingleInstructions(stage: Stage, lint: Lint): void {
  const latest = new Map<InstructionName, Instruction>()
  for (const instruction of stage.instructions) {
    const { name } = instruction
    if (!ONCE_PER_STAGE.includes(name)) continue
    const earlier = latest.get(name)
    if (earlier !== undefined) lint.report('MultipleInstructionsDisallowed', earlier.range, name)
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

function checkLegacy(
  { scope }: StageState,
  instruction: InstructionOf<'ENV'> | InstructionOf<'LABEL'>,
): void {
  const { name, legacy, range } = instruction
  if (legacy) scope.lint.report('LegacyKeyValueFormat', range, name)
}

function checkJsonForm(
  { scope, image }: StageState,
  { name, command, range }: InstructionOf<'CMD'> | InstructionOf<'ENTRYPOINT'>,
): void {
  if (command.form === 'shell' && image.shell === undefined)
    scope.lint.report('JSONArgsRecommended', range, name)
}

const CHECKS: { readonly [Name in InstructionName]?: Check<Name> } = {
  ARG: (state, arg) => {
    for (const { name } of arg.declarations) checkSecret(state, arg, name)
  },
  ENV: (state, env) => {
    for (const { name } of env.pairs) checkSecret(state, env, name)
    checkLegacy(state, env)
  },
  LABEL: checkLegacy,
  CMD: checkJsonForm,
  ENTRYPOINT: checkJsonForm,
  EXPOSE: ({ scope }, { ports, range }) => {
    for (const port of ports) checkPort(port, range, scope.lint)
  },
}

function checkPort(port: string, range: SourceRange, lint: Lint): void {
  if (port.includes('$')) return
  const protocol = port.includes('/') ? port.slice(port.indexOf('/') + 1) : ''
  if (protocol !== protocol.toLowerCase()) lint.report('ExposeProtoCasing', range, port)
  if (port.includes(':')) lint.report('ExposeInvalidFormat', range, port)
}

/** The checks of an instruction that is reached. */
export function checkInstruction(state: StageState, instruction: Instruction): void {
  // The table pairs each name with the check of its own instruction.
  const check = CHECKS[instruction.name] as
    | ((state: StageState, instruction: Instruction) => void)
    | undefined
  check?.(state, instruction)
}
