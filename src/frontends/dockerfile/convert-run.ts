import { createVertex, type ExecOp, type Mount, type Unkeyed } from '../../graph/index.ts'
import { buildArg, proxyEnvironment } from './arguments.ts'
import { absolutePath } from './container-path.ts'
import { processArguments } from './convert-metadata.ts'
import { convertMounts } from './convert-mounts.ts'
import { dockerfileError } from './dockerfile-error.ts'
import { type Heredoc, heredocBody, heredocFileName, parseHeredocHead, summarizeBody } from './heredoc.ts'
import { addHistory, DEFAULT_PATH, variables } from './image-state.ts'
import type { CommandLine, InstructionOf } from './instructions.ts'
import { nextStepName, type StageState, stepText } from './stage-state.ts'

/** Where a heredoc that is a script of its own (`#!`) is found while it runs. */
const SCRIPTS = '/dev/pipes'

export function convertRun(state: StageState, instruction: InstructionOf<'RUN'>): void {
  const { command, script } = resolveHeredocs(instruction)
  if (command.words.length === 0) throw dockerfileError('arguments are required')
  const mounts = convertMounts(state, instruction)
  // Nobody runs it: all that stands in its environment, once for each RUN, would be for nothing.
  if (state.scope.isInspection) return
  const args = processArguments(state, command)
  const hostname = buildArg(state.scope.input, 'BUILDKIT_SANDBOX_HOSTNAME') ?? ''
  const op: ExecOp = {
    kind: 'exec',
    args,
    env: processEnvironment(state),
    cwd: absolutePath('/', state.image.workingDir ?? '/'),
    user: state.image.user ?? '',
    network: networkOf(state, instruction),
    security: instruction.security,
    ...(hostname === '' ? {} : { hostname }),
    mounts: script === undefined ? mounts.mounts : [...mounts.mounts, script],
    platform: state.platform,
    ...keyedSettings(state),
  }
  const unkeyed = unkeyedSettings(state)
  state.vertex = createVertex(op, [state.vertex, ...mounts.inputs], {
    name: nextStepName(state, stepName(instruction)),
    source: instruction.range,
    ...(unkeyed === undefined ? {} : { unkeyed }),
  })
  addHistory(state.image, `RUN ${[...historyArguments(state), ...args].join(' ')} # buildkit`, 'layer')
}

function networkOf({ scope }: StageState, { network }: InstructionOf<'RUN'>): ExecOp['network'] {
  return network === 'default' ? (scope.input.run?.network ?? 'default') : network
}

/** What the caller sets for every RUN and what may change its result; absent where it sets nothing. */
function keyedSettings({ scope }: StageState): Pick<ExecOp, 'extraHosts' | 'shmSize' | 'ulimits'> {
  const { extraHosts = [], shmSize, ulimits = [] } = scope.input.run ?? {}
  return {
    ...(extraHosts.length === 0 ? {} : { extraHosts: extraHosts.map(({ name }) => name) }),
    ...(shmSize === undefined ? {} : { shmSize }),
    ...(ulimits.length === 0 ? {} : { ulimits }),
  }
}

function unkeyedSettings({ scope }: StageState): Unkeyed | undefined {
  const env = proxyEnvironment(scope.input)
  const { extraHosts = [] } = scope.input.run ?? {}
  if (env.length === 0 && extraHosts.length === 0) return undefined
  return { env, ...(extraHosts.length === 0 ? {} : { extraHosts }) }
}

function stepName(instruction: InstructionOf<'RUN'>): string {
  const [only] = instruction.heredocs
  const text = stepText(instruction)
  if (only === undefined || !isOnlyHeredoc(instruction)) return text
  return `${text} (${summarizeBody(only.content)})`
}

function isOnlyHeredoc({ command }: InstructionOf<'RUN'>): boolean {
  return command.form === 'shell' && parseHeredocHead((command.words[0] ?? '').trim()) !== undefined
}

/**
 * A command that is nothing but a heredoc is the heredoc's body, or a file where that begins with `#!`.
 * Any other goes to the shell with its heredocs, as written.
 */
function resolveHeredocs(instruction: InstructionOf<'RUN'>): { command: CommandLine; script?: Mount } {
  const { command, heredocs } = instruction
  const [first] = heredocs
  if (first === undefined) return { command }
  if (!isOnlyHeredoc(instruction)) {
    const bodies = heredocs.map((heredoc) => `\n${heredoc.content}${heredoc.name}`)
    return { command: shell((command.words[0] ?? '') + bodies.join('')) }
  }
  const body = heredocBody(first)
  if (!first.content.startsWith('#!')) return { command: shell(body) }
  const script = scriptMount(first, body)
  return { command: shell(script.target), script }
}

function shell(text: string): CommandLine {
  return { form: 'shell', words: [text] }
}

function scriptMount(heredoc: Heredoc, content: string): Mount & { readonly target: string } {
  return { type: 'file', target: `${SCRIPTS}/${heredocFileName(heredoc)}`, content, mode: 0o755 }
}

function processEnvironment(state: StageState): readonly string[] {
  const env = variables(state.env)
  return state.env.has('PATH') ? env : [...env, `PATH=${DEFAULT_PATH}`]
}

/** `|2 A=1 B=2`: the ARGs in effect, with what they are worth now. */
function historyArguments({ declared, env }: StageState): readonly string[] {
  const shown = [...declared].flatMap(([name, value]) => {
    const current = env.get(name) ?? value
    return value === undefined || current === undefined ? [] : [`${name}=${current}`]
  })
  return shown.length === 0 ? [] : [`|${shown.length}`, ...shown]
}
