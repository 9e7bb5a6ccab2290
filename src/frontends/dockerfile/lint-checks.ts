import type { Instruction, InstructionName, InstructionOf } from './instructions.ts'
import type { Lint } from './lint.ts'
import type { StageState } from './stage-state.ts'
import type { Dockerfile, Stage } from './stages.ts'

/** The checks that need the text alone. */
export function checkDockerfile(dockerfile: Dockerfile, lint: Lint): void {
  for (const node of dockerfile.nodes) {
    if (node.emptyContinuation) lint.report('NoEmptyContinuation', node.range, 'Empty continuation line')
    if (node.name === 'MAINTAINER') {
      lint.report(
        'MaintainerDeprecated',
        node.range,
        'Maintainer instruction is deprecated in favor of using label',
      )
    }
  }
  const names = new Set<string>()
  for (const stage of dockerfile.stages) {
    checkStageName(stage, names, lint)
    checkSingleInstructions(stage, lint)
    if (stage.name !== undefined) names.add(stage.name)
  }
}

function checkStageName(stage: Stage, earlier: ReadonlySet<string>, lint: Lint): void {
  const { name, writtenName, keywords, range } = stage
  if (name === undefined || writtenName === undefined) return
  if (writtenName !== name)
    lint.report('StageNameCasing', range, `Stage name '${writtenName}' should be lowercase`)
  const [from, as = ''] = keywords
  const wanted = from === from.toLowerCase() ? as.toLowerCase() : as.toUpperCase()
  if (as !== wanted) lint.report('FromAsCasing', range, `'${as}' and '${from}' keywords' casing do not match`)
  if (name === 'scratch' || name === 'context') {
    const message = `Stage name should not use the same name as reserved stage "${name}"`
    lint.report('ReservedStageName', range, message)
  }
  if (earlier.has(name)) {
    const message = `Duplicate stage name "${name}", stage names should be unique`
    lint.report('DuplicateStageName', range, message)
  }
}

const ONCE_PER_STAGE: readonly InstructionName[] = ['CMD', 'ENTRYPOINT', 'HEALTHCHECK']

function checkSingleInstructions(stage: Stage, lint: Lint): void {
  const latest = new Map<InstructionName, Instruction>()
  for (const instruction of stage.instructions) {
    const { name } = instruction
    if (!ONCE_PER_STAGE.includes(name)) continue
    const earlier = latest.get(name)
    if (earlier !== undefined) {
      const message = `Multiple ${name} instructions should not be used in the same stage because only the last one will be used`
      lint.report('MultipleInstructionsDisallowed', earlier.range, message)
    }
    latest.set(name, instruction)
  }
}

type Check<Name extends InstructionName> = (state: StageState, instruction: InstructionOf<Name>) => void

const SECRET = /(?:^|_)(?:apikey|auth|credential|credentials|key|password|pword|passwd|secret|token)(?:_|$)/i
const NOT_SECRET = /(?:^|_)(?:public|file|version)(?:_|$)/i

function checkSecret({ scope }: StageState, { name, range }: Instruction, variable: string): void {
  if (!SECRET.test(variable) || NOT_SECRET.test(variable)) return
  const message = `Do not use ARG or ENV instructions for sensitive data (${name} "${variable}")`
  scope.lint.report('SecretsUsedInArgOrEnv', range, message)
}

function checkLegacy(
  { scope }: StageState,
  instruction: InstructionOf<'ENV'> | InstructionOf<'LABEL'>,
): void {
  const { name, legacy, range } = instruction
  if (!legacy) return
  const message = `"${name} key=value" should be used instead of legacy "${name} key value" format`
  scope.lint.report('LegacyKeyValueFormat', range, message)
}

function checkJsonForm(
  { scope, image }: StageState,
  { name, command, range }: InstructionOf<'CMD'> | InstructionOf<'ENTRYPOINT'>,
): void {
  if (command.form === 'exec' || image.shell !== undefined) return
  const message = `JSON arguments recommended for ${name} to prevent unintended behavior related to OS signals`
  scope.lint.report('JSONArgsRecommended', range, message)
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
    for (const port of ports) checkPort(port, (rule, message) => scope.lint.report(rule, range, message))
  },
}

function checkPort(
  port: string,
  report: (rule: 'ExposeProtoCasing' | 'ExposeInvalidFormat', message: string) => void,
): void {
  const protocol = port.slice(port.indexOf('/') + 1)
  if (port.includes('/') && protocol !== protocol.toLowerCase() && !protocol.includes('$'))
    report('ExposeProtoCasing', `Defined protocol '${port}' in EXPOSE instruction should be lowercase`)
  if (port.includes(':') && !port.includes('$')) {
    report(
      'ExposeInvalidFormat',
      `EXPOSE instruction should not define an IP address or host-port mapping, found '${port}'`,
    )
  }
}

/** The checks of an instruction that is reached. */
export function checkInstruction(state: StageState, instruction: Instruction): void {
  // The table pairs each name with the check of its own instruction.
  const check = CHECKS[instruction.name] as
    | ((state: StageState, instruction: Instruction) => void)
    | undefined
  check?.(state, instruction)
}
